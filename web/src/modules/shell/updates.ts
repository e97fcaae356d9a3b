import { useSyncExternalStore } from 'react'

/** What is needed of a service worker, its registration and their container. */
export interface Worker extends EventTarget {
  readonly state: string
  postMessage(message: unknown): void
}

export interface Registration extends EventTarget {
  readonly installing: Worker | null
  readonly waiting: Worker | null
  update(): Promise<unknown>
}

export interface Container extends EventTarget {
  readonly controller: unknown
  register(url: string): Promise<Registration>
}

/** Coming back to the page asks for a new version no more often than this. */
const restMs = 60_000

/**
 * Whether a new version of the page waits to be taken. It is taken when
 * somebody says so, and then by all tabs at once, each of which reloads: what
 * they show and what they load on demand is always of one build.
 */
export class Updates {
  private registration: Registration | null = null
  private ready = false
  private reloading = false
  private asked = 0
  private readonly listeners = new Set<() => void>()

  constructor(
    private readonly container: Container | null,
    private readonly reload: () => void,
    private readonly now: () => number = Date.now,
  ) {}

  async start(url: string): Promise<void> {
    const { container } = this
    if (!container) return
    // The first worker of all takes over a page that it agrees with.
    let controlled = container.controller !== null
    container.addEventListener('controllerchange', () => {
      if (controlled) this.reloadOnce()
      controlled = true
    })
    const registration = await container.register(url)
    this.registration = registration
    this.asked = this.now()
    registration.addEventListener('updatefound', () => this.follow(registration.installing))
    this.follow(registration.installing)
    if (registration.waiting && container.controller) this.found()
  }

  /** Asks the server for a new version: hourly, and when somebody comes back to the page. */
  async check(): Promise<void> {
    if (!this.registration || this.now() - this.asked < restMs) return
    this.asked = this.now()
    await this.registration.update().catch(() => {}) // without a server there is none
  }

  /** Takes the new version; where there is none, the page is loaded anew. */
  take(): void {
    const next = this.registration?.waiting
    if (next) next.postMessage({ type: 'activate' })
    else this.reloadOnce()
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  readonly get = (): boolean => this.ready

  private follow(worker: Worker | null): void {
    worker?.addEventListener('statechange', () => {
      if (worker.state === 'installed' && this.container?.controller) this.found()
    })
  }

  private found(): void {
    this.ready = true
    for (const l of this.listeners) l()
  }

  private reloadOnce(): void {
    if (this.reloading) return
    this.reloading = true
    this.reload()
  }
}

export const updates = new Updates(typeof navigator !== 'undefined' && 'serviceWorker' in navigator ? (navigator.serviceWorker as unknown as Container) : null, () => location.reload())

const everyMs = 3600_000

/** Registers the worker and looks for new versions as long as the page is open. */
export function keepUpdated(): void {
  void updates.start('/worker.js').catch(() => {}) // a browser that allows none has the page as it always was
  const check = () => void updates.check()
  setInterval(check, everyMs)
  document.addEventListener('visibilitychange', () => !document.hidden && check())
  // A file of this build that the server has no more: there is another build.
  window.addEventListener('vite:preloadError', check)
}

export function useUpdate(): boolean {
  return useSyncExternalStore(updates.subscribe, updates.get)
}
