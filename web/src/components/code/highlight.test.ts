import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { colour } from './grammars'
import type { Asked } from './highlight.worker'
import { languageOf, languageOfPath } from './languages'

class FakeWorker {
  static all: FakeWorker[] = []
  asked: Asked[] = []
  ended = false
  onmessage: (e: unknown) => void = () => {}
  onerror: () => void = () => {}
  constructor() {
    FakeWorker.all.push(this)
  }
  postMessage(ask: Asked) {
    this.asked.push(ask)
  }
  terminate() {
    this.ended = true
  }
  tell(n: number) {
    const { id, code } = this.asked[n]!
    this.onmessage({ data: { id, lines: [[[code]]] } })
  }
}

let highlight: typeof import('./highlight').highlight

beforeEach(async () => {
  vi.useFakeTimers()
  vi.resetModules()
  vi.stubGlobal('Worker', FakeWorker)
  FakeWorker.all = []
  highlight = (await import('./highlight')).highlight
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

it('asks one worker, and gives each answer to who asked', async () => {
  const one = highlight('a', 'ts')
  const two = highlight('b', 'go')
  const [w] = FakeWorker.all
  expect(FakeWorker.all).toHaveLength(1)
  expect(w!.asked.map((a) => a.language)).toEqual(['typescript', 'go'])
  w!.tell(1)
  w!.tell(0)
  expect(await Promise.all([one, two])).toEqual([[[['a']]], [[['b']]]])
  await vi.advanceTimersByTimeAsync(60_000)
  expect(w!.ended).toBe(false)
})

it('asks for nothing that stays plain anyway', async () => {
  expect(await highlight('a', 'unheard-of')).toBeNull()
  expect(await highlight('a'.repeat(60_001), 'go')).toBeNull()
  expect(FakeWorker.all).toHaveLength(0)
})

it('gives up what a grammar hangs in, and only that', async () => {
  const hangs = highlight('a', 'go')
  const waits = highlight('b', 'go')
  await vi.advanceTimersByTimeAsync(20_000)
  expect(await hangs).toBeNull()
  const [old, next] = FakeWorker.all
  expect(old!.ended).toBe(true)
  expect(next!.asked.map((a) => a.code)).toEqual(['b'])
  next!.tell(0)
  expect(await waits).toEqual([[['b']]])
})

it('leaves all plain when the worker cannot be fetched, and tries again for the next', async () => {
  const all = [highlight('a', 'go'), highlight('b', 'go')]
  FakeWorker.all[0]!.onerror()
  expect(await Promise.all(all)).toEqual([null, null])
  const next = highlight('c', 'go')
  FakeWorker.all[1]!.tell(0)
  expect(await next).toEqual([[['c']]])
})

it('colours pieces and loses no letter', async () => {
  const code = 'def hi(name):\n    return f"<b>{name}</b>"  # 你好\n'
  const lines = await colour(code, 'python')
  expect(lines.map((line) => line.map(([text]) => text).join('')).join('\n')).toBe(code)
  expect(lines[0]).toContainEqual(['def', 'var(--shiki-token-keyword)'])
})

it('knows languages by their names, and files by theirs', () => {
  expect([languageOf('TS'), languageOf('c++'), languageOf('constructor'), languageOf('')]).toEqual(['typescript', 'cpp', null, null])
  expect([languageOfPath('a/b.rs'), languageOfPath('Makefile'), languageOfPath('a/.env'), languageOfPath('none')]).toEqual(['rust', 'make', null, null])
})
