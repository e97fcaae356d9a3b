import { describe, expect, it } from 'vitest'
import { readTold, type Told } from '@/push/told'
import { pressed, tell, type Around, type Page, type Shown } from './push'

const message = { kind: 'request', session_id: 'abc', request_id: 'r1', title: 'Fix the roof', body: 'Run a command? make', url: '/s/abc', tag: 'abc', waiting: 2, can_answer: true, language: 'zh-CN' }
const told = (change: Record<string, unknown> = {}): Told => readTold({ ...message, ...change })!

class Place implements Around {
  shown: [string, Shown][] = []
  opened: string[] = []
  went: string[] = []
  badges: number[] = []
  answers: [string, string][] = []
  taken = true
  constructor(private readonly open_: Omit<Page, 'go'>[] = []) {}
  pages = async () => this.open_.map((p) => ({ ...p, go: async (url: string) => void this.went.push(`${new URL(p.url).pathname} -> ${url}`) }))
  open = async (url: string) => void this.opened.push(url)
  show = async (title: string, options: Shown) => void this.shown.push([title, options])
  badge = async (n: number) => void this.badges.push(n)
  answer = async (t: Told, behavior: string) => {
    this.answers.push([t.requestId, behavior])
    return this.taken
  }
}

describe('a push message', () => {
  it('is shown with its buttons, in the language of the person', async () => {
    const place = new Place([{ url: 'https://c.example/', visible: true }, { url: 'https://c.example/s/abc', visible: false }])
    await tell(told(), place)
    expect(place.badges).toEqual([2])
    const [title, options] = place.shown[0]!
    expect(title).toBe('Fix the roof')
    expect(options).toMatchObject({ tag: 'abc', requireInteraction: true, actions: [{ action: 'allow', title: '允许一次' }, { action: 'deny', title: '拒绝' }] })
  })
  it('has no buttons where yes and no say too little', async () => {
    const place = new Place()
    await tell(told({ can_answer: false }), place)
    await tell(told({ kind: 'finished' }), place)
    expect(place.shown.map(([, o]) => o.actions)).toEqual([[], []])
    expect(place.shown[1]![1].requireInteraction).toBe(false)
  })
  it('is not shown over the very session', async () => {
    const place = new Place([{ url: 'https://c.example/s/abc?at=3', visible: true }])
    await tell(told(), place)
    expect(place.shown).toEqual([])
    expect(place.badges).toEqual([2])
  })
  it('is read leniently, and leads nowhere else', () => {
    expect(readTold(null)).toBeNull()
    expect(readTold('x')).toBeNull()
    expect(readTold({})).toMatchObject({ title: 'Carrel', url: '/', canAnswer: false, language: 'en' })
    for (const url of ['https://evil.example/', '//evil.example', '/\\evil.example', 'javascript:alert(1)']) expect(readTold({ url })!.url).toBe('/')
  })
})

describe('a press', () => {
  it('on a button answers, and opens nothing', async () => {
    const place = new Place([{ url: 'https://c.example/', visible: true }])
    await pressed(told(), 'allow', place)
    await pressed(told(), 'deny', place)
    expect(place.answers).toEqual([['r1', 'allow'], ['r1', 'deny']])
    expect([...place.went, ...place.opened]).toEqual([])
  })
  it('on a button goes to the session where the server did not take the answer', async () => {
    const place = new Place()
    place.taken = false
    await pressed(told(), 'allow', place)
    expect(place.opened).toEqual(['/s/abc'])
  })
  it('elsewhere goes to the session, in a page that is open', async () => {
    const place = new Place([{ url: 'https://c.example/files', visible: false }, { url: 'https://c.example/s/abc', visible: false }])
    await pressed(told(), '', place)
    expect(place.went).toEqual(['/s/abc -> /s/abc'])
    const other = new Place()
    await pressed(told({ can_answer: false }), 'allow', other) // an old notification's button
    expect(other.answers).toEqual([])
    expect(other.opened).toEqual(['/s/abc'])
  })
})
