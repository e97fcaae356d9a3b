import { useState } from 'react'

type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>

const storageKey = 'carrel.answers'
/** A request that was answered elsewhere, while nobody looked, leaves what was begun here. */
const most = 50

/** The name of what was begun of the answer to a request. */
export const halfOf = (sessionId: string, requestId: string): string => `${sessionId} ${requestId}`

/**
 * What was begun of answers: words, choices, edits. Requests wait for days, and
 * one looks elsewhere before one answers, so it is kept as long as the tab.
 */
export class Halves {
  private readonly held: Map<string, Record<string, unknown>>

  constructor(private readonly storage: Store | null) {
    this.held = new Map(Object.entries(read(storage)))
  }

  get(half: string, part: string): unknown {
    return this.held.get(half)?.[part]
  }

  set(half: string, part: string, value: unknown): void {
    const next = { ...this.held.get(half), [part]: value }
    this.held.delete(half) // the one of now is the last to go
    this.held.set(half, next)
    for (const old of [...this.held.keys()].slice(0, -most)) this.held.delete(old)
    this.write()
  }

  forget(half: string): void {
    if (this.held.delete(half)) this.write()
  }

  clear(): void {
    this.held.clear()
    this.write()
  }

  private write(): void {
    try {
      if (this.held.size === 0) this.storage?.removeItem(storageKey)
      else this.storage?.setItem(storageKey, JSON.stringify(Object.fromEntries(this.held)))
    } catch {
      // It holds while the page is open, then.
    }
  }
}

function read(storage: Store | null): Record<string, Record<string, unknown>> {
  try {
    return JSON.parse(storage?.getItem(storageKey) ?? '{}') as Record<string, Record<string, unknown>>
  } catch {
    return {}
  }
}

function pageStore(): Store | null {
  try {
    return window.sessionStorage
  } catch {
    return null
  }
}

export const halves = new Halves(typeof window === 'undefined' ? null : pageStore())

/** A state of a card that outlives it. */
export function useHalf<T>(half: string, part: string, initial: T): [T, (value: T) => void] {
  const [value, setValue] = useState(() => (halves.get(half, part) as T | undefined) ?? initial)
  const keep = (next: T) => {
    halves.set(half, part, next)
    setValue(next)
  }
  return [value, keep]
}

/** Whether a part of a card is open, and whether it was opened just now: then it takes the keyboard. */
export function useOpened(half: string, part: string): { open: boolean; now: boolean; set: (open: boolean) => void } {
  const [open, setOpen] = useHalf(half, part, false)
  const [now, setNow] = useState(false)
  const set = (next: boolean) => {
    setNow(next)
    setOpen(next)
  }
  return { open, now, set }
}
