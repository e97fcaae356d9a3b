type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>

/** What was not touched for longest goes. */
const most = 50

/** A map that is kept as long as the browser's tab, reloads included; without a storage as long as the page. */
export class TabMap<T> {
  private readonly held: Map<string, T>

  constructor(
    private readonly storage: Store | null,
    private readonly storageKey: string,
  ) {
    this.held = new Map(Object.entries(read<T>(storage, storageKey)))
  }

  get(key: string): T | undefined {
    return this.held.get(key)
  }

  set(key: string, value: T | undefined): void {
    const had = this.held.delete(key) // the one of now is the last to go
    if (value !== undefined) this.held.set(key, value)
    else if (!had) return
    for (const old of [...this.held.keys()].slice(0, -most)) this.held.delete(old)
    this.write()
  }

  clear(): void {
    this.held.clear()
    this.write()
  }

  private write(): void {
    try {
      if (this.held.size === 0) this.storage?.removeItem(this.storageKey)
      else this.storage?.setItem(this.storageKey, JSON.stringify(Object.fromEntries(this.held)))
    } catch {
      // It holds while the page is open, then.
    }
  }
}

function read<T>(storage: Store | null, key: string): Record<string, T> {
  try {
    return JSON.parse(storage?.getItem(key) ?? '{}') as Record<string, T>
  } catch {
    return {}
  }
}

/** The tab's storage, where the browser lets the page have it. */
export function tabStore(): Store | null {
  try {
    return typeof window === 'undefined' ? null : window.sessionStorage
  } catch {
    return null
  }
}
