import { describe, expect, it } from 'vitest'
import { addressOf, clipFrom, heldFrom, keyFrom, pasteFrom, titleFrom } from './text'

describe('a title', () => {
  it('is one short line, of which everything can be seen', () => {
    expect(titleFrom('vim  notes.md')).toBe('vim notes.md')
    expect(titleFrom('invoice\u202Efdp.exe')).toBe('invoicefdp.exe')
    expect(titleFrom('a\u0007\u001b[31mb\u200b\u2066c\u2069\u{e0041}')).toBe('a[31mbc')
    expect([...titleFrom('长'.repeat(500))]).toHaveLength(60)
    expect(titleFrom('😀'.repeat(80))).toBe(`${'😀'.repeat(59)}…`)
  })
})

describe('a paste', () => {
  it('asks before lines would run, and not where the program takes it as a paste', () => {
    expect(pasteFrom('ls', false)).toEqual({ text: 'ls', asks: false })
    expect(pasteFrom('ls\n', false).asks).toBe(true)
    expect(pasteFrom('a\r\nb', false)).toEqual({ text: 'a\nb', asks: true })
    expect(pasteFrom('a\rb', false).asks).toBe(true)
    expect(pasteFrom('a\nb', true).asks).toBe(false)
  })
  it('cannot end itself and type on', () => {
    expect(pasteFrom('harmless\x1b[201~\nrm -rf ~\n', true).text).toBe('harmless[201~\nrm -rf ~\n')
    expect(pasteFrom('a\x03b\x9b201~\x00\x7f\tc', true).text).toBe('ab201~\tc')
  })
})

it('a link leads to http and https alone, and never with a name before the host', () => {
  expect(addressOf('https://example.org/x?y')?.href).toBe('https://example.org/x?y')
  for (const bad of ['javascript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', 'vscode://x', 'https://example.org@evil.example/', '/relative', 'x']) expect(addressOf(bad)).toBeNull()
  expect(addressOf('https://еxample.org/')?.host).toMatch(/^xn--/) // shown as what it is
})

it('a program may offer text for the clipboard, and not ask for it', () => {
  expect(clipFrom(`c;${btoa('hello')}`)).toBe('hello')
  expect(clipFrom('c;5L2g5aW9')).toBe('你好')
  for (const bad of ['c;?', 'c;', 'c', 'c;!!', 'c;/w==', `c;${'A'.repeat(200_000)}`]) expect(clipFrom(bad)).toBeNull()
})

describe('the key bar', () => {
  const none = { ctrl: false, alt: false }
  it('says keys as programs expect them', () => {
    expect(keyFrom('ArrowUp', none, false)).toBe('\x1b[A')
    expect(keyFrom('ArrowUp', none, true)).toBe('\x1bOA')
    expect(keyFrom('ArrowLeft', { ctrl: true, alt: false }, true)).toBe('\x1b[1;5D')
    expect(keyFrom('PageDown', none, false)).toBe('\x1b[6~')
    expect(keyFrom('Escape', none, false)).toBe('\x1b')
    expect(keyFrom('Tab', { ctrl: false, alt: true }, false)).toBe('\x1b\t')
  })
  it('holds Ctrl and Alt for one character', () => {
    expect(heldFrom('c', { ctrl: true, alt: false })).toBe('\x03')
    expect(heldFrom('[', { ctrl: true, alt: false })).toBe('\x1b')
    expect(heldFrom('b', { ctrl: false, alt: true })).toBe('\x1bb')
    expect(heldFrom('c', { ctrl: true, alt: true })).toBe('\x1b\x03')
    expect(heldFrom('你', { ctrl: true, alt: false })).toBe('你')
  })
})
