import { useSyncExternalStore } from 'react'

// Who speaks to the page, or hits keys by accident, has no use for keys that act without Ctrl or Alt. It holds on this device, as the theme does.
const key = 'carrel.single-keys'
const listeners = new Set<() => void>()
let on: boolean | undefined

/** Whether N, W, / and ? act where nobody types. */
export function singleKeys(): boolean {
  if (on === undefined) {
    try {
      on = localStorage.getItem(key) !== 'off'
    } catch {
      on = true
    }
  }
  return on
}

export function setSingleKeys(to: boolean): void {
  on = to
  try {
    if (to) localStorage.removeItem(key)
    else localStorage.setItem(key, 'off')
  } catch {
    // It holds until the page is closed, then.
  }
  for (const l of listeners) l()
}

export function useSingleKeys(): boolean {
  return useSyncExternalStore((l) => {
    listeners.add(l)
    return () => listeners.delete(l)
  }, singleKeys)
}

/** Whether a press is one of a single key that may act: nobody types it, and it was not turned off. */
export function actsAlone(e: Pick<KeyboardEvent, 'ctrlKey' | 'metaKey' | 'altKey' | 'isComposing' | 'defaultPrevented'>): boolean {
  return singleKeys() && !e.ctrlKey && !e.metaKey && !e.altKey && !e.isComposing && !e.defaultPrevented
}
