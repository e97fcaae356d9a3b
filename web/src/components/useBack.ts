import { useRouter } from '@tanstack/react-router'
import { useEffect, useEffectEvent } from 'react'

/** What is open over the page, the topmost last. */
const layers: object[] = []

/**
 * The browser's Back closes what lies on top, and the page under it stays. It
 * is undone as soon as it came: so nothing is added to the history, and there
 * is nothing that Forward could open again. Where the first page of a tab is
 * shown there is no step back to catch; Chrome on Android closes dialogs there by itself.
 */
export function useBack(onBack: () => void): void {
  const { history } = useRouter()
  const back = useEffectEvent(onBack)
  useEffect(() => {
    const layer = {}
    layers.push(layer)
    const unblock = history.block({
      enableBeforeUnload: false,
      blockerFn: ({ action }) => {
        if (action !== 'BACK' || layers.at(-1) !== layer) return false
        // The router now steps forward again. Only there may the address be changed, as some do to close.
        addEventListener('popstate', () => back(), { once: true })
        return true
      },
    })
    return () => {
      layers.splice(layers.indexOf(layer), 1)
      unblock()
    }
  }, [history])
}
