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

/** Calls back once no view is on its way, what there is can be seen, and the page has nothing better to do. */
export function whenIdle(f: () => void): void {
  if (coming) waiting.push(f)
  else soon(f)
}

// What was drawn is on the screen with the second frame; of a page that nobody sees none come.
function soon(f: () => void): void {
  if (document.hidden) calm(f)
  else requestAnimationFrame(() => requestAnimationFrame(() => calm(f)))
}

function calm(f: () => void): void {
  const still = () => (coming ? waiting.push(f) : f())
  if ('requestIdleCallback' in window) requestIdleCallback(still, { timeout: 2000 })
  else setTimeout(still, 500)
}
