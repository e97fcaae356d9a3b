import type { IDisposable, IParser } from '@xterm/xterm'

/**
 * Swallows what asks the terminal for an answer while `quiet` says so. History
 * was answered when it was written, and of several devices one alone answers:
 * each further answer would be typed into the shell.
 */
export function quieten(parser: IParser, quiet: () => boolean): IDisposable[] {
  const csi = [{ final: 'c' }, { prefix: '>', final: 'c' }, { prefix: '=', final: 'c' }, { final: 'n' }, { prefix: '?', final: 'n' }, { prefix: '>', final: 'q' }, { intermediates: '$', final: 'p' }, { prefix: '?', intermediates: '$', final: 'p' }, { final: 't' }, { prefix: '?', final: 'u' }]
  return [
    ...csi.map((id) => parser.registerCsiHandler(id, quiet)),
    parser.registerDcsHandler({ intermediates: '$', final: 'q' }, quiet),
    parser.registerEscHandler({ final: 'Z' }, quiet),
    ...[4, 10, 11, 12].map((n) => parser.registerOscHandler(n, (data) => quiet() && data.includes('?'))),
  ]
}
