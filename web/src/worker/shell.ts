import type { Build } from './build'

/** How a request is answered: from this build's files, kept once used, or by the server alone. */
export type Way = 'page' | 'shell' | 'used' | 'server'

/** What belongs to the server also where somebody opens it in a tab. */
const servers = /^\/(api\/|healthz$|readyz$|metrics$|openapi|docs(\/|$)|worker\.js$)/

/** Only the page's own files are ever kept: no answer of the API, no file of a person's. */
export function wayOf(request: Pick<Request, 'method' | 'mode' | 'url'>, origin: string, shell: ReadonlySet<string>): Way {
  const url = new URL(request.url)
  if (request.method !== 'GET' || url.origin !== origin || servers.test(url.pathname)) return 'server'
  if (request.mode === 'navigate') return 'page'
  if (shell.has(url.pathname)) return 'shell'
  return url.pathname.startsWith('/assets/') ? 'used' : 'server'
}

/** The caches of one build. Another build's are never read, so two are never mixed. */
export const namesOf = (build: string) => ({ shell: `carrel-shell-${build}`, used: `carrel-used-${build}` })

/** The page's own files: those without which it does not open are fetched at once, the rest is kept when it was used. */
export class Shell {
  private readonly files: ReadonlySet<string>
  private readonly names: { shell: string; used: string }

  constructor(
    private readonly build: Build,
    private readonly storage: CacheStorage,
    private readonly origin: string,
  ) {
    this.files = new Set(build.files)
    this.names = namesOf(build.id)
  }

  /** All or nothing. A server that was replaced meanwhile serves another build's page: this one then does not begin. */
  async install(): Promise<void> {
    const cache = await this.storage.open(this.names.shell)
    await Promise.all(
      this.build.files.map(async (path) => {
        // What has its hash in its name may come from the browser's cache.
        const answer = await fetch(path, { cache: path.startsWith('/assets/') ? 'default' : 'no-cache', credentials: 'same-origin' })
        if (!answer.ok) throw new Error(`${path}: ${answer.status}`)
        if (path === '/index.html' && !(await answer.clone().text()).includes(this.build.entry)) throw new Error('The server has another build by now.')
        await cache.put(path, answer)
      }),
    )
  }

  async removeOthers(): Promise<void> {
    const ours = Object.values(this.names)
    const all = await this.storage.keys()
    await Promise.all(all.filter((name) => name.startsWith('carrel-') && !ours.includes(name)).map((name) => this.storage.delete(name)))
  }

  /** The answer to a request; nothing where the server is to answer it. */
  answer(request: Request): Promise<Response> | null {
    switch (wayOf(request, this.origin, this.files)) {
      case 'page':
        return this.kept('/index.html', request)
      case 'shell':
        return this.kept(new URL(request.url).pathname, request)
      case 'used':
        return this.used(request)
      case 'server':
        return null
    }
  }

  private async kept(path: string, request: Request): Promise<Response> {
    // The browser may have thrown the cache away to make room, or the next worker, which takes over, has.
    return (await this.storage.match(path, { ignoreVary: true, cacheName: this.names.shell })) ?? fetch(request)
  }

  private async used(request: Request): Promise<Response> {
    const found = await this.storage.match(request, { ignoreVary: true, cacheName: this.names.used })
    if (found) return found
    const answer = await fetch(request)
    if (answer.ok && answer.status === 200) await this.keep(request, answer.clone()).catch(() => {}) // a full device keeps nothing
    return answer
  }

  /** Once the next worker has removed our caches, nobody would remove what is opened again. */
  private async keep(request: Request, answer: Response): Promise<void> {
    if (await this.storage.has(this.names.shell)) await (await this.storage.open(this.names.used)).put(request, answer)
  }
}
