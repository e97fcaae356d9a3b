import { useSyncExternalStore } from 'react'

// How a person reads diffs is remembered for all of them.
const key = 'carrel.diff'
const listeners = new Set<() => void>()

function getBeside(): boolean {
  try {
    return localStorage.getItem(key) === 'beside'
  } catch {
    return false
  }
}

export function setBeside(beside: boolean): void {
  try {
    if (beside) localStorage.setItem(key, 'beside')
    else localStorage.removeItem(key)
  } catch {
    // It stays as it is, then.
  }
  for (const l of listeners) l()
}

function listen(l: () => void): () => void {
  listeners.add(l)
  return () => listeners.delete(l)
}

/** Whether diffs are read with old and new beside each other. */
export function useBeside(): boolean {
  return useSyncExternalStore(listen, getBeside, () => false)
}
