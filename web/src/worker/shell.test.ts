import { afterEach, expect, it, vi } from 'vitest'
import { Shell } from './shell'

const origin = 'https://carrel.example'

/** What the browser keeps; a cache that was deleted is written to in vain. */
class Caches {
  private readonly all = new Map<string, Map<string, Response>>()
  keys = async () => [...this.all.keys()]
  has = async (name: string) => this.all.has(name)
  delete = async (name: string) => this.all.delete(name)
  open = async (name: string) => {
    const cache = this.all.get(name) ?? new Map<string, Response>()
    this.all.set(name, cache)
    return { put: async (key: string | Request, answer: Response) => void cache.set(pathOf(key), answer), match: async (key: string | Request) => cache.get(pathOf(key))?.clone() }
  }
  match = async (key: string | Request, { cacheName }: MultiCacheQueryOptions) => this.all.get(cacheName!)?.get(pathOf(key))?.clone()
}
const pathOf = (key: string | Request) => new URL(typeof key === 'string' ? key : key.url, origin).pathname
const build = (id: string) => ({ id, files: ['/index.html'], entry: 'assets/index-1.js' })
const asked = (path: string, mode: RequestMode = 'cors') => ({ url: origin + path, method: 'GET', mode }) as Request

afterEach(() => vi.unstubAllGlobals())

it('answers from what it has kept, and keeps what is used', async () => {
  let fetched = 0
  vi.stubGlobal('fetch', async () => new Response(`assets/index-1.js ${++fetched}`))
  const shell = new Shell(build('one'), new Caches() as unknown as CacheStorage, origin)
  await shell.install()
  const text = async (r: Request) => (await shell.answer(r)!).text()
  expect([await text(asked('/s/a', 'navigate')), await text(asked('/assets/pdf-1.js')), await text(asked('/assets/pdf-1.js'))]).toEqual(['assets/index-1.js 1', 'assets/index-1.js 2', 'assets/index-1.js 2'])
})

it('leaves nothing behind once the next one has taken over, also where it still answers', async () => {
  const caches = new Caches()
  let come: (answer: Response) => void = () => {}
  vi.stubGlobal('fetch', async () => new Response('assets/index-1.js'))
  const [one, two] = ['one', 'two'].map((id) => new Shell(build(id), caches as unknown as CacheStorage, origin)) as [Shell, Shell]
  await one.install()
  await two.install()
  vi.stubGlobal('fetch', () => new Promise<Response>((r) => (come = r)))
  const late = one.answer(asked('/assets/pdf-1.js'))
  await two.removeOthers()
  vi.stubGlobal('fetch', async () => new Response('from the server'))
  expect(await (await one.answer(asked('/s/a', 'navigate'))!).text()).toBe('from the server')
  expect(await (await one.answer(asked('/assets/katex-1.js'))!).text()).toBe('from the server')
  come(new Response('at last'))
  expect(await (await late!).text()).toBe('at last')
  expect(await caches.keys()).toEqual(['carrel-shell-two'])
})
