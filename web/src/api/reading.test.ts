import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Reading } from './reading'

/** A network: what is asked waits until the test answers, or until it is given up. */
function setup() {
  const asked: { what: string; answer: (r: Response) => void; signal: AbortSignal }[] = []
  const reading = new Reading(
    (request) =>
      new Promise((answer, fail) => {
        asked.push({ what: `${request.method} ${new URL(request.url).pathname}`, answer, signal: request.signal })
        request.signal.addEventListener('abort', () => fail(request.signal.reason as Error))
      }),
    '/api/v1/config',
  )
  const get = (init?: RequestInit) => reading.fetch(new Request('http://c.example/api/v1/me', init))
  return { reading, asked, get }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('reading', () => {
  it('waits for what takes its time', async () => {
    const t = setup()
    const got = t.get()
    await vi.advanceTimersByTimeAsync(100_000)
    expect(t.asked).toHaveLength(1)
    const answer = new Response('late')
    t.asked[0]!.answer(answer)
    expect(await got).toBe(answer)
  })

  it('asks again where connections may be dead, with more patience each time', async () => {
    const t = setup()
    const before = t.get()
    t.reading.doubt()
    const after = t.get()
    for (const [ms, times] of [[1_499, 2], [1, 4], [2_999, 4], [1, 6], [5_999, 6], [1, 8]] as const) {
      await vi.advanceTimersByTimeAsync(ms)
      expect(t.asked).toHaveLength(times)
    }
    expect(t.asked.map((a) => a.signal.aborted)).toEqual([true, true, true, true, true, true, false, false])
    for (const a of t.asked.slice(6)) a.answer(new Response('here'))
    expect(await (await before).text()).toBe('here')
    expect(await (await after).text()).toBe('here')
  })

  it('lets an answer that has begun come to its end', async () => {
    const t = setup()
    t.reading.doubt()
    const got = t.get()
    t.asked[0]!.answer(new Response('long'))
    await got
    await vi.advanceTimersByTimeAsync(100_000)
    expect(t.asked[0]!.signal.aborted).toBe(false)
  })

  it('trusts what was connected since', async () => {
    const t = setup()
    t.reading.doubt()
    await vi.advanceTimersByTimeAsync(300_000)
    void t.get()
    await vi.advanceTimersByTimeAsync(100_000)
    expect(t.asked).toHaveLength(1)
  })

  it('ends when nobody wants the answer any more', async () => {
    const t = setup()
    t.reading.doubt()
    const left = new AbortController()
    const got = t.get({ signal: left.signal })
    left.abort()
    await expect(got).rejects.toThrow()
    await vi.advanceTimersByTimeAsync(100_000)
    expect(t.asked).toHaveLength(1)
  })

  it('does once what is not reading, over a connection that has just answered', async () => {
    const t = setup()
    t.reading.doubt()
    const done = t.get({ method: 'POST' })
    await vi.advanceTimersByTimeAsync(1_500)
    expect(t.asked.map((a) => a.what)).toEqual(['GET /api/v1/config', 'GET /api/v1/config'])
    t.asked[1]!.answer(new Response('{}'))
    await vi.advanceTimersByTimeAsync(100_000)
    expect(t.asked.map((a) => a.what)).toEqual(['GET /api/v1/config', 'GET /api/v1/config', 'POST /api/v1/me'])
    const answer = new Response('done')
    t.asked[2]!.answer(answer)
    expect(await done).toBe(answer)
    expect(t.asked[2]!.signal.aborted).toBe(false)
  })

  it('does what is not reading at once where nothing is in doubt, and not twice', async () => {
    const t = setup()
    void t.get({ method: 'POST' })
    t.reading.doubt()
    await vi.advanceTimersByTimeAsync(100_000)
    expect(t.asked.map((a) => a.what)).toEqual(['POST /api/v1/me'])
  })
})
