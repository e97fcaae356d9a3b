import { QueryClient } from '@tanstack/react-query'
import { afterEach, expect, it, vi } from 'vitest'

afterEach(() => vi.unstubAllGlobals())
vi.setConfig({ testTimeout: 30_000 }) // it loads much, anew for each

async function world(answer: () => Response) {
  const stored = new Map([['carrel.push', '7:phone']])
  const did: string[] = []
  const NodeRequest = Request
  vi.stubGlobal('location', { origin: 'http://carrel.test', href: 'http://carrel.test/' })
  vi.stubGlobal('Request', class extends NodeRequest {
    constructor(input: string | Request, init?: RequestInit) {
      super(typeof input === 'string' ? new URL(input, 'http://carrel.test') : input, init)
    }
  })
  vi.stubGlobal('localStorage', { getItem: (k: string) => stored.get(k) ?? null, setItem: (k: string, v: string) => stored.set(k, v), removeItem: (k: string) => stored.delete(k) })
  const tab = new Map([['carrel.answers', '{}'], ['carrel.places', '[]'], ['carrel.files.tabs.7', '[]']])
  const sessionStorage = { getItem: (k: string) => tab.get(k) ?? null, removeItem: (k: string) => tab.delete(k) }
  vi.stubGlobal('sessionStorage', sessionStorage)
  vi.stubGlobal('window', { addEventListener: () => {}, sessionStorage })
  vi.stubGlobal('navigator', { serviceWorker: { getRegistration: async () => ({ pushManager: { getSubscription: async () => ({ unsubscribe: async () => did.push('unsubscribed') }) } }) } })
  vi.stubGlobal('fetch', async (r: Request) => {
    did.push(`${r.method} ${new URL(r.url).pathname}`)
    return answer()
  })
  vi.resetModules() // what speaks to the server takes the browser's parts when it is made
  const { signOut, forgetOthers } = await import('./signOut')
  return { did, stored, tab, forgetOthers, out: () => signOut(new QueryClient(), 7, async () => void did.push('left')) }
}

it('leaves all as it was where the server cannot be asked', async () => {
  const { did, stored, out } = await world(() => {
    throw new TypeError('no network')
  })
  await expect(out()).rejects.toMatchObject({ code: 'unreachable' })
  expect(did.filter((d) => !d.endsWith('/auth/logout'))).toEqual([])
  expect(stored.get('carrel.push')).toBe('7:phone')
})

it('ends what this device is told with the sign-in, also with one that has ended', async () => {
  for (const status of [204, 401]) {
    const { did, stored, tab, out } = await world(() => new Response(null, { status }))
    await out()
    expect(did).toEqual(['POST /api/v1/auth/logout', 'left', 'unsubscribed'])
    expect(stored.size).toBe(0)
    expect(tab.size).toBe(0)
  }
})

it('forgets what somebody began here whose sign-in ended by itself, once another is there', async () => {
  const { stored, tab, forgetOthers } = await world(() => new Response())
  stored.set('carrel.project', 'thesis')
  forgetOthers(7)
  expect([...tab.keys()]).toContain('carrel.places')
  forgetOthers(7)
  expect([...tab.keys()]).toContain('carrel.answers')
  forgetOthers(8)
  expect([...tab.keys()].filter((k) => k === 'carrel.answers' || k === 'carrel.places')).toEqual([])
  expect(stored.get('carrel.project')).toBeUndefined()
})
