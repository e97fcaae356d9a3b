import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

const script = readFileSync(new URL('../../public/early.js', import.meta.url), 'utf8')
const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } })
let asked: string[]
let answer: (path: string) => Response
/** The link that names a conversation's code. */
const code = { rel: '' }

function visit(address: string): void {
  const { origin, pathname, search } = new URL(address)
  vi.stubGlobal('window', globalThis)
  vi.stubGlobal('location', { origin, pathname, search })
  vi.stubGlobal('document', { getElementById: (id: string) => (id === 'conversation' ? code : null) })
  vi.stubGlobal('fetch', async (r: string | Request) => {
    const path = typeof r === 'string' ? r : r.url.slice(origin.length)
    asked.push(path)
    return answer(path)
  })
  // A browser's addresses may be relative.
  const NodeRequest = Request
  vi.stubGlobal('Request', class extends NodeRequest {
    constructor(input: string | Request, init?: RequestInit) {
      super(typeof input === 'string' ? new URL(input, origin) : input, init)
    }
  })
  // A browser runs it as it is, before the modules.
  new Function(script)()
}

beforeEach(() => {
  asked = []
  answer = (path) => json({ path })
  vi.resetModules()
})
afterEach(() => {
  vi.unstubAllGlobals()
  delete (globalThis as { carrelEarly?: unknown }).carrelEarly
})

const get = async (path: string) => {
  const { fetchOnce } = await import('./early')
  return fetchOnce(new Request(`http://carrel.test${path}`))
}

it('asks for the person and the end of the conversation just as the page will, and once', async () => {
  visit('http://carrel.test/s/abc')
  await vi.waitFor(() => expect(asked).toEqual(['/api/v1/config', '/api/v1/me', '/api/v1/sessions/abc/events?before=0&limit=200']))
  const { api, call } = await import('./client')
  await call(api.GET('/config'))
  await call(api.GET('/me'))
  await call(api.GET('/sessions/{id}/events', { params: { path: { id: 'abc' }, query: { before: 0, limit: 200 } } }))
  expect(asked).toHaveLength(3)
  await call(api.GET('/me'))
  expect(asked).toHaveLength(4)
})

it('asks for no conversation elsewhere, nor for the end of one that is opened in the middle', () => {
  visit('http://carrel.test/files/')
  visit('http://carrel.test/s/abc?at=12')
  expect(asked).toEqual(['/api/v1/config', '/api/v1/me', '/api/v1/config', '/api/v1/me'])
  visit('http://carrel.test/login')
  expect(asked.slice(4)).toEqual(['/api/v1/config'])
})

it("has a conversation's code compiled where it is looked at, and fetched for later elsewhere", () => {
  visit('http://carrel.test/s/abc?at=12')
  expect(code.rel).toBe('modulepreload')
  visit('http://carrel.test/projects')
  expect(code.rel).toBe('prefetch')
})

it('reads an answer to its end, also where nobody takes it', async () => {
  const all: Response[] = []
  answer = () => {
    all.push(json({}))
    return all.at(-1)!
  }
  visit('http://carrel.test/nowhere')
  await vi.waitFor(() => expect(all.map((r) => r.bodyUsed)).toEqual([true, true]))
})

it('asks again for what failed, but for that nobody is signed in', async () => {
  answer = () => json({ code: 'unauthenticated' }, 401)
  visit('http://carrel.test/s/abc')
  expect((await get('/api/v1/me')).status).toBe(401)
  expect((await get('/api/v1/sessions/abc/events?before=0&limit=200')).status).toBe(401)
  expect(asked).toEqual(['/api/v1/config', '/api/v1/me'])
  answer = () => json({}, 500)
  visit('http://carrel.test/files/')
  vi.resetModules()
  answer = () => json({ id: 1 })
  expect((await get('/api/v1/me')).status).toBe(200)
})

it('keeps no answer for whoever signs in next', async () => {
  visit('http://carrel.test/s/abc')
  const { fetchOnce } = await import('./early')
  await vi.waitFor(() => expect(asked).toHaveLength(3))
  await fetchOnce(new Request('http://carrel.test/api/v1/auth/login', { method: 'POST' }))
  await get(asked[2]!)
  expect(asked).toHaveLength(5)
})

it('asks again when the network failed', async () => {
  answer = () => {
    throw new TypeError('Failed to fetch')
  }
  visit('http://carrel.test/files/')
  answer = () => json({ id: 1 })
  expect((await get('/api/v1/me')).status).toBe(200)
  expect(asked).toHaveLength(3)
})
