import { realClock, type Clock } from './connection'

/** Where a page hears that it may have been away. */
export interface Surroundings {
  document: EventTarget & { readonly hidden: boolean }
  window: EventTarget
  /** What the browser knows of its network, where it tells. */
  network?: EventTarget
  clock: Clock
}

// A machine that slept tells no page: timers stood still, and the time of day went on.
const tickMs = 1_000
const leapMs = 5_000

/**
 * Calls back when the page was away, or its network may be another: at a sign
 * of either, and when the clock leapt. `left`: the network was gone, and what
 * was connected over it with it.
 */
export function onWake(f: (left: boolean) => void, around: Surroundings = page()): () => void {
  const { document, window, network, clock } = around
  const off = new AbortController()
  const on = (target: EventTarget | undefined, types: string[], act: () => void) => types.forEach((t) => target?.addEventListener(t, act, { signal: off.signal }))
  const look = () => {
    if (!document.hidden) f(false)
  }
  on(document, ['visibilitychange', 'resume'], look)
  on(window, ['focus', 'pageshow', 'offline'], look)
  on(network, ['change'], look)
  on(window, ['online'], () => f(true))

  let at = clock.now()
  let timer: unknown
  const tick = () => {
    const now = clock.now()
    if (now - at > tickMs + leapMs) look()
    at = now
    timer = clock.set(tick, tickMs)
  }
  timer = clock.set(tick, tickMs)
  return () => {
    off.abort()
    clock.clear(timer)
  }
}

function page(): Surroundings {
  const { connection } = navigator as Navigator & { connection?: EventTarget }
  return { document, window, network: connection, clock: realClock }
}
