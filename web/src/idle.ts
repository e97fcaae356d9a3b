/** What of the router says when a view is on its way and when it is drawn. */
interface Views {
  subscribe(event: 'onBeforeLoad' | 'onResolved', f: () => void): () => void
}

// The first view is on its way from the beginning.
let coming = true
const waiting: (() => void)[] = []

/** Follows the router, so that what nobody waits for never keeps up a view that somebody waits for. */
export function followViews(router: Views): void {
  router.subscribe('onBeforeLoad', () => (coming = true))
  router.subscribe('onResolved', () => {
    coming = false
    for (const f of waiting.splice(0)) soon(f)
  })
}

/** Calls back once no view is on its way and the page has nothing better to do. */
export function whenIdle(f: () => void): void {
  if (coming) waiting.push(f)
  else soon(f)
}

function soon(f: () => void): void {
  const calm = () => (coming ? waiting.push(f) : f())
  if ('requestIdleCallback' in window) requestIdleCallback(calm, { timeout: 2000 })
  else setTimeout(calm, 500)
}
