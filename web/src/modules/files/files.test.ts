import { beforeEach, expect, it } from 'vitest'
import { decode } from '@/api/text'
import { difference, indentOf } from './edit'
import { above, join, kindOf, nameOf, parentOf, resolve } from './paths'
import { cells } from './preview/notebook'

const bytes = (text: string) => new TextEncoder().encode(text).buffer as ArrayBuffer

it('takes paths apart and puts them together', () => {
  expect([parentOf('a/b/c'), parentOf('a'), nameOf('a/b/c'), nameOf('a'), join('', 'a'), join('a', 'b')]).toEqual(['a/b', '', 'c', 'a', 'a', 'a/b'])
  expect(above('a/b/c.txt')).toEqual(['a', 'a/b'])
  expect(above('')).toEqual([])
})

it('knows how a file is shown', () => {
  expect(['x/README.MD', 'a.jpeg', 'a.svg', 'a.pdf', 'a.csv', 'a.ipynb', 'Makefile', '.md/x'].map(kindOf)).toEqual(['markdown', 'image', 'svg', 'pdf', 'table', 'notebook', 'text', 'text'])
})

it('follows addresses within the workspace and nowhere else', () => {
  expect(resolve('projects/p/docs/a.md', '../img/x%20y.png?v=1#t')).toBe('projects/p/img/x y.png')
  for (const href of ['https://example.org/x.png', '//host/x', '/etc/passwd', '#top', 'data:image/png;base64,xx', '../../../../x', 'javascript:alert(1)', '%']) expect(resolve('projects/p/docs/a.md', href)).toBeNull()
})

it('keeps how lines end, and tells text from bytes', () => {
  expect(decode(bytes('a\r\nb\r\n'))).toEqual({ text: 'a\nb\n', crlf: true })
  expect(decode(bytes('a\r\nb\n'))).toEqual({ text: 'a\r\nb\n', crlf: false })
  expect(decode(bytes('a\0b')).text).toBeNull()
  expect(decode(new Uint8Array([0xff, 0xfe, 0x41]).buffer).text).toBeNull()
  expect(decode(bytes('\ufeffa')).text).toBe('\ufeffa')
})

it('changes only what differs, so that the cursor stays', () => {
  for (const [a, b] of [['', 'x'], ['x', ''], ['abc', 'abc'], ['aXb', 'aYYb'], ['aaa', 'aa'], ['aba', 'ababa'], ['one\ntwo', 'one\n2\ntwo']] as const) {
    const d = difference(a, b)
    expect(a.slice(0, d.from) + d.insert + a.slice(d.to)).toBe(b)
    expect(d.to - d.from).toBeLessThanOrEqual(a.length)
  }
  expect(difference('aXb', 'aYb')).toEqual({ from: 1, to: 2, insert: 'Y' })
})

it('indents as the file does', () => {
  expect(['if x:\n    y\n', '{\n  "a": {\n    "b": 1\n', 'f() {\n\tg()\n', 'nothing'].map(indentOf)).toEqual(['    ', '  ', '\t', '    '])
})

it('shows of a notebook text and images, and no page', () => {
  const got = cells(JSON.stringify({
    metadata: { language_info: { name: 'python' } },
    cells: [
      { cell_type: 'markdown', source: ['# A\n', 'b'] },
      { cell_type: 'code', execution_count: 2, source: 'x', outputs: [
        { output_type: 'stream', text: ['out\n'] },
        { output_type: 'display_data', data: { 'image/png': 'aGk=\n', 'text/plain': 'fig' } },
        { output_type: 'execute_result', data: { 'text/html': '<script>1</script>', 'text/plain': ['frame'] } },
        { output_type: 'error', ename: 'E', evalue: 'v', traceback: ['\u001b[31mred\u001b[0m'] },
        { output_type: 'display_data', data: { 'image/svg+xml': '<svg onload=1>' } },
      ] },
    ],
  }))
  expect(got?.language).toBe('python')
  expect(got?.cells[0]).toMatchObject({ kind: 'markdown', source: '# A\nb' })
  expect(got?.cells[1]?.outputs).toEqual([
    { kind: 'text', text: 'out\n', error: false }, { kind: 'image', url: 'data:image/png;base64,aGk=' }, { kind: 'text', text: 'frame', error: false },
    { kind: 'text', text: 'red', error: true }, { kind: 'none' },
  ])
  expect(cells('{"cells": 3}')).toBeNull()
  expect(cells('nonsense')).toBeNull()
})

const stored = new Map<string, string>()
beforeEach(() => {
  stored.clear()
  Object.assign(globalThis, {
    localStorage: { get length() { return stored.size }, key: (i: number) => [...stored.keys()][i] ?? null, getItem: (k: string) => stored.get(k) ?? null, setItem: (k: string, v: string) => void stored.set(k, v), removeItem: (k: string) => void stored.delete(k) },
  })
})

it('keeps drafts over a reload, of one user, and not without bound', async () => {
  const { Drafts, maxDraftChars } = await import('./drafts')
  const before = new Drafts(1)
  before.set('a.txt', { text: 'mine', etag: '"1"' })
  before.set('big.txt', { text: 'x'.repeat(maxDraftChars + 1), etag: '"1"' })
  before.flush()
  expect(before.get('big.txt')?.text.length).toBe(maxDraftChars + 1)
  const after = new Drafts(1)
  expect(after.get('a.txt')).toEqual({ text: 'mine', etag: '"1"' })
  expect(after.get('big.txt')).toBeUndefined()
  expect(new Drafts(2).get('a.txt')).toBeUndefined()
  after.set('a.txt', undefined)
  after.flush()
  expect(new Drafts(1).get('a.txt')).toBeUndefined()
  after.set('b.txt', { text: 'mine', etag: '"1"' })
  after.flush()
  expect([after.size, stored.size]).toEqual([1, 1])
  after.forget()
  expect([after.size, stored.size]).toEqual([0, 0])
})

it('shares drafts between tabs: none writes over, or brings back, what is another\'s', async () => {
  const { Drafts } = await import('./drafts')
  const draft = (text: string) => ({ text, etag: '"1"' })
  const [one, other] = [new Drafts(1), new Drafts(1)]
  const write = (d: InstanceType<typeof Drafts>, path: string, text?: string) => {
    d.set(path, text === undefined ? undefined : draft(text))
    d.flush()
    ;(d === one ? other : one).follow()
  }
  write(one, 'a', 'of one')
  write(other, 'b', 'of the other')
  expect(['a', 'b'].map((p) => new Drafts(1).get(p)?.text)).toEqual(['of one', 'of the other'])
  expect([one.size, other.size]).toEqual([2, 2]) // what a sign-out asks about

  write(one, 'a') // saved
  write(other, 'b', 'and more')
  expect([other.get('a'), new Drafts(1).get('a')]).toEqual([undefined, undefined])

  // Both at the same file at the same moment: each keeps its text, and who saves does not take the other's.
  one.set('b', draft('mine'))
  write(other, 'b', 'theirs')
  expect(one.get('b')?.text).toBe('mine')
  write(one, 'b')
  expect([other.get('b')?.text, new Drafts(1).get('b')?.text]).toEqual(['theirs', 'theirs'])

  for (let i = 0; i < 30; i++) write(one, `${i}`, 'x') // more than are written down
  expect([other.get('b')?.text, new Drafts(1).get('b')]).toEqual(['theirs', undefined])
  for (let i = 0; i < 30; i++) write(one, `${i}`)
  write(other, 'b', 'theirs still')

  one.forget()
  other.follow()
  other.flush() // as it is closed
  expect([other.size, stored.size]).toEqual([0, 0])
})
