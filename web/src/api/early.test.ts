import { readFileSync } from 'node:fs'
import { QueryClient, type FetchQueryOptions } from '@tanstack/react-query'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

const script = readFileSync(new URL('../../public/early.js', import.meta.url), 'utf8')
const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } })
let asked: string[]
let answer: (path: string) => Response
/** What is fetched ahead of being asked for. */
let fetched: { rel: string; href: string }[]
const code = { '/s': ['/assets/talk.js', '/assets/shared.js'], '/admin/users': ['/assets/users.js'], '/admin/users/invitations': ['/assets/invitations.js'], '/files': ['/assets/files.js'] }

let later: (() => void)[]

/** `known` is the role of who was signed in last on the device. */
function visit(address: string, known: string | null = null): void {
  const { origin, pathname, search } = new URL(address)
  vi.stubGlobal('window', globalThis)
  vi.stubGlobal('location', { origin, pathname, search })
  vi.stubGlobal('document', { currentScript: { dataset: { code: JSON.stringify(code) } }, createElement: () => ({}), head: { appendChild: (link: (typeof fetched)[number]) => fetched.push(link) } })
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
  vi.stubGlobal('localStorage', { getItem: (key: string) => (key === 'carrel.known' ? known : null) })
  new Function('Worker', 'setTimeout', script)(class {}, (f: () => void, ms?: number) => (ms ? later.push(f) : f()))
}

beforeEach(() => {
  asked = []
  later = []
  fetched = []
  answer = (path) => json({ path })
  vi.resetModules()
})
afterEach(() => {
  vi.unstubAllGlobals()
  const page = globalThis as { carrelEarly?: unknown; carrelCode?: unknown }
  delete page.carrelEarly
  delete page.carrelCode
})

const get = async (path: string) => {
  const { fetchOnce } = await import('./early')
  return fetchOnce(new Request(`http://carrel.test${path}`))
}

it('asks for the person, the sessions and the end of the conversation just as the page will, and once', async () => {
  visit('http://carrel.test/s/abc')
  await vi.waitFor(() => expect(asked).toEqual(['/api/v1/config', '/api/v1/me', '/api/v1/sessions/abc/events?before=0&limit=200', '/api/v1/sessions?limit=200']))
  const { api, call } = await import('./client')
  await call(api.GET('/config'))
  await call(api.GET('/me'))
  await call(api.GET('/sessions', { params: { query: { limit: 200 } } }))
  await call(api.GET('/sessions/{id}/events', { params: { path: { id: 'abc' }, query: { before: 0, limit: 200 } } }))
  expect(asked).toHaveLength(4)
  await call(api.GET('/me'))
  expect(asked).toHaveLength(5)
})

it('asks for what a view shows, just as the page will', async () => {
  const lists = { '/': ['sessions', 'projects'], '/projects': ['sessions', 'projects'], '/admin/users': ['sessions', 'users'], '/admin/instances': ['sessions', 'instances', 'users'] } as const
  answer = () => json({ items: [], next_cursor: null })
  for (const [path, wanted] of Object.entries(lists)) {
    asked = []
    visit(`http://carrel.test${path}`, 'admin')
    await vi.waitFor(() => expect(asked).toHaveLength(2 + wanted.length))
    vi.resetModules()
    const { queries } = await import('./queries')
    for (const query of wanted) await new QueryClient().fetchQuery(queries[query]() as FetchQueryOptions)
    expect(asked).toHaveLength(2 + wanted.length)
  }
})

it('asks for nothing that only administrators are told, where none is known to be there', async () => {
  for (const known of [null, 'user', 'moderator', '1']) {
    asked = []
    visit('http://carrel.test/admin/users', known)
    visit('http://carrel.test/admin/instances', known)
    await vi.waitFor(() => expect(asked).toHaveLength(6))
    expect(new Set(asked)).toEqual(new Set(['/api/v1/config', '/api/v1/me', '/api/v1/sessions?limit=200']))
  }
})

it('asks for no conversation elsewhere, nor for the end of one that is opened in the middle, and for nothing where nobody is signed in', async () => {
  visit('http://carrel.test/files/')
  visit('http://carrel.test/s/abc?at=12')
  await vi.waitFor(() => expect(asked).toHaveLength(6))
  expect(new Set(asked)).toEqual(new Set(['/api/v1/config', '/api/v1/me', '/api/v1/sessions?limit=200']))
  visit('http://carrel.test/login')
  expect(asked.slice(6)).toEqual(['/api/v1/config'])
})

it('asks at once where somebody was signed in on this device', async () => {
  visit('http://carrel.test/s/abc', 'user')
  expect(asked).toEqual(['/api/v1/config', '/api/v1/me', '/api/v1/sessions/abc/events?before=0&limit=200', '/api/v1/sessions?limit=200'])
})

it('learns that nobody is signed in without being refused', async () => {
  answer = (path) => json({ path, signed_in: path === '/api/v1/config' ? false : undefined })
  visit('http://carrel.test/s/abc')
  expect((await get('/api/v1/me')).status).toBe(401)
  expect((await get('/api/v1/sessions?limit=200')).status).toBe(401)
  expect(asked).toEqual(['/api/v1/config'])

  // Where that is not told, the page asks.
  for (const config of [() => json({}, 500), () => new Response('no JSON')]) {
    asked = []
    answer = (path) => (path === '/api/v1/config' ? config() : json({ path }))
    visit('http://carrel.test/account')
    expect((await get('/api/v1/me')).status).toBe(200)
    expect(asked).toContain('/api/v1/me')
  }
})

it('asks for a file as the page will, and for its text once it is a short one', async () => {
  const folder = '/api/v1/files?path=projects%2Fa%20b%2F%E4%B8%AD.py&limit=1000'
  const text = '/api/v1/files/content?path=projects%2Fa%20b%2F%E4%B8%AD.py'
  const entry = { path: 'projects/a b/中.py', type: 'file', size_bytes: 5, items: [], next_cursor: null }
  answer = (path) => (path === folder ? json(entry) : new Response('hello', { headers: { ETag: '"1"' } }))
  visit('http://carrel.test/files/projects/a%20b/%E4%B8%AD.py', 'user')
  await vi.waitFor(() => expect(asked).toContain(text))
  const { queries } = await import('./queries')
  expect(await new QueryClient().fetchQuery(queries.folder('projects/a b/中.py') as FetchQueryOptions)).toMatchObject({ entry })
  expect(await new QueryClient().fetchQuery(queries.fileText('projects/a b/中.py') as FetchQueryOptions)).toMatchObject({ text: 'hello', etag: '"1"' })
  expect(asked).toHaveLength(5)

  for (const other of [{ ...entry, type: 'folder' }, { ...entry, size_bytes: 200_000 }, { ...entry, path: 'a.PNG' }]) {
    asked = []
    answer = () => json(other)
    visit('http://carrel.test/files/a', 'user')
    await vi.waitFor(() => expect(asked).toHaveLength(4))
    await new Promise((r) => setTimeout(r))
    expect(asked.filter((p) => p.includes('content'))).toEqual([])
  }
  expect(() => visit('http://carrel.test/files/%E4', 'user')).not.toThrow()
})

it('keeps no answer that nobody took', async () => {
  visit('http://carrel.test/s/abc', 'user')
  await get('/api/v1/me')
  for (const f of later) f()
  await get('/api/v1/sessions?limit=200')
  expect(asked).toHaveLength(5)
})

it("fetches a view's code beside the page's own, by the longest address that names it", () => {
  const at = (path: string) => {
    fetched = []
    visit(`http://carrel.test${path}`)
    expect(fetched.every((f) => f.rel === 'modulepreload')).toBe(true)
    return fetched.map((f) => f.href)
  }
  expect(at('/s/abc?at=12')).toEqual(code['/s'])
  expect(at('/files/projects/a/b.ts')).toEqual(code['/files'])
  expect(at('/admin/users')).toEqual(code['/admin/users'])
  expect(at('/admin/users/invitations')).toEqual(code['/admin/users/invitations'])
  for (const path of ['/', '/nowhere', '/filesystem', '/constructor']) expect(at(path)).toEqual([])
})

it('reads an answer to its end, also where nobody takes it', async () => {
  const all: Response[] = []
  answer = () => {
    all.push(json({}))
    return all.at(-1)!
  }
  visit('http://carrel.test/nowhere')
  await vi.waitFor(() => expect(all.map((r) => r.bodyUsed)).toEqual([true, true, true]))
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
  await vi.waitFor(() => expect(asked).toHaveLength(4))
  await fetchOnce(new Request('http://carrel.test/api/v1/auth/login', { method: 'POST' }))
  await get(asked[2]!)
  expect(asked).toHaveLength(6)
})

it('asks again when the network failed', async () => {
  answer = () => {
    throw new TypeError('Failed to fetch')
  }
  visit('http://carrel.test/files/', 'user')
  answer = () => json({ id: 1 })
  expect((await get('/api/v1/me')).status).toBe(200)
  expect(asked).toHaveLength(4)
})
