import type { Piece } from './grammars'
import type { Asked, Told } from './highlight.worker'
import { languageOf } from './languages'

/** What is longer is shown plain: its many pieces would take a page's memory. */
const maxChars = 60_000

/** So long the worker may take for one code, with the fetching of its grammar. A grammar's patterns can run for ever. */
const patienceMs = 20_000

const waiting = new Map<number, { ask: Asked; tell: (lines: Piece[][] | null) => void }>()
let worker: Worker | undefined
let patience: ReturnType<typeof setTimeout> | undefined
let last = 0

/** The lines of a code in coloured pieces; null where it stays plain. They are found beside the page, which goes on meanwhile. */
export function highlight(code: string, language: string): Promise<Piece[][] | null> {
  const name = languageOf(language)
  if (name === null || code.length > maxChars) return Promise.resolve(null)
  const ask: Asked = { id: ++last, code, language: name }
  return new Promise((tell) => {
    waiting.set(ask.id, { ask, tell })
    worker ??= start()
    worker.postMessage(ask)
    patience ??= setTimeout(giveUpFirst, patienceMs)
  })
}

function start(): Worker {
  const w = new Worker(new URL('./highlight.worker.ts', import.meta.url), { type: 'module', name: 'highlight' })
  w.onmessage = (e: MessageEvent<Told>) => {
    answer(e.data.id, e.data.lines)
    clearTimeout(patience)
    patience = waiting.size > 0 ? setTimeout(giveUpFirst, patienceMs) : undefined
  }
  // It could not be fetched. What comes next tries again.
  w.onerror = () => {
    stop()
    for (const id of [...waiting.keys()]) answer(id, null)
  }
  return w
}

function stop(): void {
  worker?.terminate()
  worker = undefined
  clearTimeout(patience)
  patience = undefined
}

function answer(id: number, lines: Piece[][] | null): void {
  waiting.get(id)?.tell(lines)
  waiting.delete(id)
}

/** The one that was asked for first is what the worker hangs in; the others are asked for again. */
function giveUpFirst(): void {
  stop()
  const [first] = waiting.keys()
  if (first !== undefined) answer(first, null)
  if (waiting.size === 0) return
  worker = start()
  for (const { ask } of waiting.values()) worker.postMessage(ask)
  patience = setTimeout(giveUpFirst, patienceMs)
}
