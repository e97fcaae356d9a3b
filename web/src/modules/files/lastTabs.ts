import { useSyncExternalStore } from 'react'

// A way into the files that names no tabs, as from the palette or a change, finds those that this browser tab had.
const keyOf = (userId: number) => `carrel.files.tabs.${userId}`
const none: readonly string[] = []
const known = new Map<number, readonly string[]>()
const listeners = new Set<() => void>()

export function lastTabs(userId: number): readonly string[] {
  let tabs = known.get(userId)
  if (!tabs) {
    try {
      const kept: unknown = JSON.parse(sessionStorage.getItem(keyOf(userId)) ?? '[]')
      tabs = Array.isArray(kept) ? kept.filter((t): t is string => typeof t === 'string') : none
    } catch {
      tabs = none
    }
    known.set(userId, tabs)
  }
  return tabs
}

export function keepTabs(userId: number, tabs: readonly string[]): void {
  const before = lastTabs(userId)
  if (before.length === tabs.length && before.every((t, i) => t === tabs[i])) return
  known.set(userId, [...tabs])
  try {
    sessionStorage.setItem(keyOf(userId), JSON.stringify(tabs))
  } catch {
    // It holds until the page is left, then.
  }
  for (const l of listeners) l()
}

export function useLastTabs(userId: number): readonly string[] {
  return useSyncExternalStore((l) => {
    listeners.add(l)
    return () => listeners.delete(l)
  }, () => lastTabs(userId))
}

/** Nobody at this browser looks at them any more. */
export function forgetTabs(userId: number): void {
  known.delete(userId)
  sessionStorage.removeItem(keyOf(userId))
}
