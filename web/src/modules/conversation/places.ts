type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>

const storageKey = 'carrel.places'
const most = 50

/** Where somebody was in a conversation: the first row that they saw, its event, how far below the upper edge it began, and from which row on all was drawn. */
export interface Place {
  row: string
  seq: number
  top: number
  from: string
}

/** Where a reader was in each conversation, as long as the browser's tab. Who was at the end is at the end again: that is no place. */
export class Places {
  private readonly held: Map<string, Place>

  constructor(private readonly storage: Store | null) {
    this.held = read(storage)
  }

  get(sessionId: string): Place | undefined {
    return this.held.get(sessionId)
  }

  set(sessionId: string, place: Place | undefined): void {
    const had = this.held.delete(sessionId)
    if (place) this.held.set(sessionId, place)
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
      if (this.held.size === 0) this.storage?.removeItem(storageKey)
      else this.storage?.setItem(storageKey, JSON.stringify([...this.held]))
    } catch {
      // It holds until the page is left, then.
    }
  }
}

function read(storage: Store | null): Map<string, Place> {
  try {
    return new Map(JSON.parse(storage?.getItem(storageKey) ?? '[]') as [string, Place][])
  } catch {
    return new Map()
  }
}

function pageStore(): Store | null {
  try {
    return window.sessionStorage
  } catch {
    return null
  }
}

export const places = new Places(typeof window === 'undefined' ? null : pageStore())
