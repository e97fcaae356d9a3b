import { useSyncExternalStore } from 'react'

const listeners = new Set<() => void>()
const renewed = 30_000
let now = Date.now()
let timer: ReturnType<typeof setInterval> | undefined

/** The time, renewed twice a minute: what relative times are told by. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now)
}

function subscribe(l: () => void): () => void {
  listeners.add(l)
  // Not for each one: all that is drawn already would be drawn again.
  if (Date.now() - now > renewed) now = Date.now()
  timer ??= setInterval(() => {
    now = Date.now()
    for (const each of listeners) each()
  }, renewed)
  return () => {
    listeners.delete(l)
    if (listeners.size === 0) {
      clearInterval(timer)
      timer = undefined
    }
  }
}
