import { useState } from 'react'
import { TabMap, tabStore } from '../tabMap'

/** The name of what was begun of the answer to a request. */
export const halfOf = (sessionId: string, requestId: string): string => `${sessionId} ${requestId}`

/**
 * What was begun of answers: words, choices, edits. Requests wait for days, and
 * one looks elsewhere before one answers. One that was answered elsewhere, while
 * nobody looked, leaves what was begun here.
 */
export class Halves {
  private readonly held: TabMap<Record<string, unknown>>

  constructor(storage: ConstructorParameters<typeof TabMap>[0]) {
    this.held = new TabMap(storage, 'carrel.answers')
  }

  get(half: string, part: string): unknown {
    return this.held.get(half)?.[part]
  }

  set(half: string, part: string, value: unknown): void {
    this.held.set(half, { ...this.held.get(half), [part]: value })
  }

  forget(half: string): void {
    this.held.set(half, undefined)
  }

  clear(): void {
    this.held.clear()
  }
}

export const halves = new Halves(tabStore())

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
