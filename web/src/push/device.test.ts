import { afterEach, expect, it, vi } from 'vitest'
import { bytesOf, knownName, nameOf } from './device'

afterEach(() => vi.unstubAllGlobals())

it('names browsers as people do', () => {
  expect(nameOf('Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36')).toBe('Chrome, Android')
  expect(nameOf('Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1')).toBe('Safari, iPhone')
  expect(nameOf('Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0')).toBe('Edge, Windows')
  expect(nameOf('Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0')).toBe('Firefox, Linux')
  expect(nameOf('')).toBe('Browser')
  expect(knownName('curl/8.9')).toBe('')
})

it('reads a key', () => {
  expect([...bytesOf('AP-_')]).toEqual([0, 255, 191])
})

it('has a device told again after a new sign-in of the person who wanted that, and of nobody else', async () => {
  const stored = new Map([['carrel.push', '7:old']])
  const told: unknown[] = []
  const subscription = { toJSON: () => ({ endpoint: 'https://push.example.org/a', keys: { p256dh: 'p', auth: 'a' } }) }
  const NodeRequest = Request
  vi.stubGlobal('location', { origin: 'http://carrel.test' })
  vi.stubGlobal('Request', class extends NodeRequest {
    constructor(input: string | Request, init?: RequestInit) {
      super(typeof input === 'string' ? new URL(input, 'http://carrel.test') : input, init)
    }
  })
  vi.stubGlobal('localStorage', { getItem: (k: string) => stored.get(k) ?? null, setItem: (k: string, v: string) => stored.set(k, v) })
  vi.stubGlobal('window', { isSecureContext: true, PushManager: {}, Notification: {} })
  vi.stubGlobal('Notification', { permission: 'granted' })
  vi.stubGlobal('navigator', { userAgent: '', serviceWorker: { getRegistration: async () => ({ pushManager: { getSubscription: async () => subscription } }) } })
  vi.stubGlobal('fetch', async (r: Request) => {
    told.push(await r.json())
    return new Response(JSON.stringify({ id: 'new' }), { status: 201, headers: { 'Content-Type': 'application/json' } })
  })
  vi.resetModules() // what speaks to the server takes the browser's parts when it is made
  const { renew } = await import('./device')
  await renew(8)
  expect([told, stored.get('carrel.push')]).toEqual([[], '7:old'])
  await renew(7)
  expect(told).toEqual([{ endpoint: 'https://push.example.org/a', keys: { p256dh: 'p', auth: 'a' }, device: 'Browser' }])
  expect(stored.get('carrel.push')).toBe('7:new')
})
