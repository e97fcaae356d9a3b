import { describe, expect, it } from 'vitest'
import type { PromptRow } from '@/conversation/model'
import { Drafts, maxKeptChars, type Draft } from './draft'
import { promptsOf, step } from './history'
import { mention, mentionAt, naming } from './mention'
import { maxPictureBytes, pictureType } from './pictures'
import { composes, sends, takes, type Press } from './typing'
import { numbered } from './useAttach'
import { commandIn, matching } from './useSuggestions'
import { sorted } from './useDrop'
import { takeDown } from './useVoice'

const enter: Press = { key: 'Enter', shiftKey: false, isComposing: false, keyCode: 13 }

describe('Enter', () => {
  it('sends at a desk, and not on a phone or with Shift', () => {
    expect(sends(enter, false)).toBe(true)
    expect(sends(enter, true)).toBe(false)
    expect(sends({ ...enter, shiftKey: true }, false)).toBe(false)
    expect(sends({ ...enter, key: 'a' }, false)).toBe(false)
  })
  it('never sends what is being composed; Safari says so with 229 alone', () => {
    expect(sends({ ...enter, isComposing: true }, false)).toBe(false)
    expect(sends({ ...enter, keyCode: 229 }, false)).toBe(false)
    expect(composes({ key: 'Escape', shiftKey: false, isComposing: false, keyCode: 229 })).toBe(true)
    expect(composes(enter)).toBe(false)
  })
})

const row = (id: string, text: string): PromptRow => ({ kind: 'prompt', key: `p:${id}`, seq: 0, parent: null, id, uuid: '', author: '', blocks: [{ type: 'text', text }], status: 'started' })

describe('history', () => {
  it('is the own prompts, the newest first, none twice in a row', () => {
    expect(promptsOf([row('1', 'one'), row('2', 'two'), row('3', 'two'), row('', '<command-name>/x</command-name>')], [row('4', 'one')])).toEqual(['one', 'two', 'one'])
  })
  it('begins in an empty composer and goes back to it', () => {
    const all = ['new', 'old']
    expect(step(all, -1, '', 1)).toBe(0)
    expect(step(all, 0, 'new', 1)).toBe(1)
    expect(step(all, 1, 'old', 1)).toBeUndefined()
    expect(step(all, 1, 'old', -1)).toBe(0)
    expect(step(all, 0, 'new', -1)).toBe(-1)
  })
  it('leaves the keys to a text that was written or changed', () => {
    expect(step(['new'], -1, 'mine', 1)).toBeUndefined()
    expect(step(['new'], 0, 'new, changed', 1)).toBeUndefined()
    expect(step(['new'], -1, '', -1)).toBeUndefined()
    expect(step([], -1, '', 1)).toBeUndefined()
  })
})

describe('mentions', () => {
  const at = (text: string) => mentionAt(text, text.length)?.query
  it('are an @ at the beginning of a word, up to the caret', () => {
    expect(at('@')).toBe('')
    expect(at('look at @src/ma')).toBe('src/ma')
    expect(at('看，@src')).toBe('src')
    expect(at('@"my fi')).toBe('my fi')
    expect(at('a@b.c')).toBeUndefined()
    expect(at('写信给 me@example.org')).toBeUndefined()
    expect(at('地址是me@example.org')).toBeUndefined()
    expect(at('möller@example.org')).toBeUndefined()
    expect(at('a.b+c-d@example.org')).toBeUndefined()
    expect(at('@main.go and')).toBeUndefined()
    expect(mentionAt('@main.go and', 5)?.query).toBe('main')
  })
  it.each(['请看@a', '；@a', '？@a', '！@a', '“@a', '《@a', '(@a', '（@a', '…@a', '、@a', '見て@a', '𠮷@a'])('begin behind Chinese as well: %s', (text) => expect(at(text)).toBe('a'))
  it('stand where the CLI reads them', () => {
    const put = (text: string) => mention(text, mentionAt(text, text.length)!, 'main.go', false)
    expect(put('请看@ma')).toEqual({ text: '请看 @main.go ', caret: 12 })
    expect(put('（@ma').text).toBe('（ @main.go ')
    expect(put('好。@ma').text).toBe('好。@main.go ')
    expect(put('is it？@ma').text).toBe('is it？@main.go ')
    const open = mention('看@s', mentionAt('看@s', 3)!, 'src', true)
    expect(mention(open.text, mentionAt(open.text, open.caret)!, 'src/main.go', false).text).toBe('看 @src/main.go ')
    expect([naming('docs/说明'), naming('说明.md'), naming('a(1)'), naming('a b')]).toEqual(['@"docs/说明"', '@说明.md', '@"a(1)"', '@"a b"'])
  })
  it('become the path, quoted where it has spaces; a folder stays open', () => {
    const put = (text: string, path: string, folder: boolean) => mention(text, mentionAt(text, text.length)!, path, folder)
    expect(put('see @ma', 'src/main.go', false)).toEqual({ text: 'see @src/main.go ', caret: 17 })
    expect(put('@my', 'my notes.md', false).text).toBe('@"my notes.md" ')
    expect(put('@s', 'src', true).text).toBe('@src/')
    expect(at(put('@m', 'my docs', true).text)).toBe('my docs/')
    expect(mention('@ma, please', mentionAt('@ma, please', 3)!, 'main.go', false).text).toBe('@main.go , please')
  })
})

describe('drafts', () => {
  const picture = (n: number) => ({ name: 'p', mediaType: 'image/png', data: 'x'.repeat(n) })
  const stores = () => {
    const texts = new Map<string, string>()
    const shelf = new Map<string, Partial<Draft>>()
    const storage = { get length() { return texts.size }, key: (i: number) => [...texts.keys()][i] ?? null, getItem: (k: string) => texts.get(k) ?? null, setItem: (k: string, v: string) => void texts.set(k, v), removeItem: (k: string) => void texts.delete(k) } as unknown as Storage
    const kept = { get: async (id: string) => shelf.get(id), set: async (id: string, d: Partial<Draft>) => void shelf.set(id, d), del: async (id: string) => void shelf.delete(id), clear: async () => shelf.clear() }
    return { texts, shelf, make: () => new Drafts(storage, kept) }
  }
  it('survive a reload, with pictures and files', async () => {
    const s = stores()
    s.make().change('a', { text: 'half a sen', pictures: [picture(3)], files: [{ name: 'n', path: 'uploads/n' }] })
    await Promise.resolve()
    const again = s.make()
    expect(again.get('a').text).toBe('half a sen')
    await again.load('a')
    expect(again.get('a')).toEqual({ text: 'half a sen', pictures: [picture(3)], files: [{ name: 'n', path: 'uploads/n' }], aside: [] })
    again.clear('a')
    await Promise.resolve()
    expect([...s.texts, ...s.shelf]).toEqual([])
  })
  it('keep no more than a bound of pictures', async () => {
    const s = stores()
    s.make().change('a', { pictures: [picture(maxKeptChars + 1)] })
    await Promise.resolve()
    const again = s.make()
    await again.load('a')
    expect(again.get('a').pictures).toEqual([])
  })
  it('take a withdrawn prompt in front of what is being written', () => {
    const d = stores().make()
    d.restore('a', 'first', [])
    expect(d.get('a').text).toBe('first')
    d.change('a', { text: 'second' })
    d.restore('a', 'first', [picture(1)])
    expect(d.get('a')).toMatchObject({ text: 'first\n\nsecond', pictures: [picture(1)] })
  })
  it('are put aside for a withdrawn prompt, over a reload too, and come back after it', async () => {
    const s = stores()
    const d = s.make()
    d.change('a', { text: 'half a sen', pictures: [picture(1)] })
    d.edit('a', 'withdrawn', [])
    expect(d.get('a')).toMatchObject({ text: 'withdrawn', pictures: [] })
    d.edit('a', 'another', [picture(2)])
    await Promise.resolve()
    const again = s.make()
    await again.load('a')
    expect(again.get('a')).toMatchObject({ text: 'another', pictures: [picture(2)] })
    again.done('a')
    expect(again.get('a')).toMatchObject({ text: 'withdrawn', pictures: [] })
    again.done('a')
    expect(again.get('a')).toEqual({ text: 'half a sen', pictures: [picture(1)], files: [], aside: [] })
    again.done('a')
    expect(again.get('a').text).toBe('')
    again.edit('a', 'into an empty one', [])
    expect(again.get('a').aside).toEqual([])
  })
  it('follow what another tab writes', () => {
    const s = stores()
    const [one, other] = [s.make(), s.make()]
    expect([one.get('a').text, other.get('a').text]).toEqual(['', ''])
    one.change('a', { text: 'from one' })
    for (const [key, text] of s.texts) other.follow(key, text)
    other.follow('something else', 'x')
    expect(other.get('a').text).toBe('from one')
    one.done('a')
    other.follow('carrel.draft.a', null)
    expect(other.get('a').text).toBe('')
  })
  it('are forgotten at the sign-out', async () => {
    const s = stores()
    const d = s.make()
    d.change('a', { pictures: [picture(1)] })
    await Promise.resolve()
    d.belongTo(1)
    d.change('a', { text: 'x' })
    d.forget()
    expect([s.shelf.size, s.texts.size]).toEqual([0, 0])
    expect(d.get('a')).toMatchObject({ text: '', pictures: [] })
  })
  it('are kept for who comes back, and are nobody else\'s', async () => {
    const s = stores()
    const d = s.make()
    expect(d.belongTo(1)).toBe(false)
    d.change('a', { text: 'of one', pictures: [picture(1)] })
    await Promise.resolve()
    expect([d.belongTo(1), s.make().belongTo(1), d.get('a').text]).toEqual([false, false, 'of one'])
    const after = s.make()
    expect([after.belongTo(2), after.get('a').text, s.shelf.size]).toEqual([true, '', 0])
    after.change('b', { text: 'of the other' })
    // The first one's tab, which was open all the time: its page forgets, and the device keeps what the other writes.
    const other = [...s.texts].find(([, text]) => text === '2')!
    expect([d.passedOn(...other), after.passedOn(...other), d.passedOn(other[0], null), d.passedOn('carrel.draft.b', '2')]).toEqual([true, false, false, false])
    expect([d.belongTo(2), d.get('a'), d.get('b').text]).toMatchObject([true, { text: '', pictures: [] }, 'of the other'])
  })
})

it('numbers a file whose name is taken', () => {
  expect([numbered('uploads/a.csv'), numbered('uploads/a-2.csv'), numbered('uploads/LICENSE'), numbered('uploads/x.tar.gz')]).toEqual(['uploads/a-2.csv', 'uploads/a-3.csv', 'uploads/LICENSE-2', 'uploads/x.tar-2.gz'])
  // What is no number of ours stays.
  expect(['IMG-20260101.jpg', 'report-2024.csv', 'a-99.csv', 'a-98.csv', 'a-07.csv', 'u/.env', 'u/-3'].map(numbered)).toEqual(['IMG-20260101-2.jpg', 'report-2024-2.csv', 'a-99-2.csv', 'a-99.csv', 'a-07-2.csv', 'u/.env-2', 'u/-3-2'])
})

it('knows a picture by what is in it: what only has the name of one goes along as a file', async () => {
  const type = (bytes: string, type: string, size = 0) => pictureType(new File([Uint8Array.from(bytes, (c) => c.charCodeAt(0)), new Uint8Array(size)], 'a', { type }))
  expect(await Promise.all([
    type('\x89PNG\r\n\x1a\n', 'image/png', 100), type('\xff\xd8\xff\xe0', 'image/png'), type('GIF89a', 'image/gif'), type('RIFF\n\x00\x00\x00WEBPVP8 ', 'image/webp'),
  ])).toEqual(['image/png', 'image/jpeg', 'image/gif', 'image/webp'])
  expect(await Promise.all([
    type('', 'image/jpeg'), type('<html>', 'image/png'), type('\x89PNG\r\n\x1a\n', 'text/plain'), type('<svg/>', 'image/svg+xml'), type('\x89PNG\r\n\x1a\n', 'image/png', maxPictureBytes),
  ])).toEqual(Array(5).fill(undefined))
})

it('tells a folder that is dropped from files', () => {
  const item = (name: string, isDirectory: boolean) => ({ kind: 'file', getAsFile: () => new File([], name), webkitGetAsEntry: () => ({ name, isDirectory }) })
  const { files, folders } = sorted([item('a.txt', false), item('site', true), { kind: 'string' }] as unknown as DataTransferItemList)
  expect([files.map((f) => f.name), folders]).toEqual([['a.txt'], ['site']])
})

describe('commands', () => {
  const all = ['review', 'security-review', 'autocompact', 'compact', 'rev', 'review-pr', '审查', '代码审查', 'mcp.ask:me'].map((name) => ({ name, description: '', hint: '' }))
  const names = (text: string) => matching(text, all).map((c) => c.name)
  it('are found by the whole name, then by beginnings, then by what is in them', () => {
    expect(names('/rev')).toEqual(['rev', 'review', 'review-pr', 'security-review'])
    expect(names('/compact')).toEqual(['compact', 'autocompact'])
    expect(names('/COMP')).toEqual(['compact', 'autocompact'])
    expect(names('/')).toEqual(all.map((c) => c.name))
    expect(names('a /rev')).toEqual([])
    expect(names('/rev ')).toEqual([])
  })
  it('may have any name without spaces', () => {
    expect(names('/审查')).toEqual(['审查', '代码审查'])
    expect(names('/mcp.ask:')).toEqual(['mcp.ask:me'])
  })
  it('typed whole are sent by Enter where it sends, and completed by Tab', () => {
    expect(takes(enter, false, true)).toBe(false)
    expect(takes(enter, false, false)).toBe(true)
    expect(takes(enter, true, true)).toBe(true)
    expect(takes({ ...enter, key: 'Tab' }, false, true)).toBe(true)
    expect(takes({ ...enter, shiftKey: true }, false, false)).toBe(false)
  })
  it('are known while their arguments are written', () => {
    expect(commandIn('/review ', all)?.name).toBe('review')
    expect(commandIn('/审查 这个\n文件', all)?.name).toBe('审查')
    expect(commandIn('/review', all)).toBeUndefined()
    expect(commandIn('/revie x', all)).toBeUndefined()
  })
})

describe('what was said', () => {
  it('comes after what is written, with a space where there is one between words', () => {
    expect(takeDown('', ' water the plants')).toBe('water the plants')
    expect(takeDown('first ', ' water the plants')).toBe('first water the plants')
    expect(takeDown('先看', '这个文件')).toBe('先看这个文件')
    expect(takeDown('先看。', '然后改')).toBe('先看。然后改')
    expect(takeDown('看 main.go', '然后改')).toBe('看 main.go 然后改')
  })
})
