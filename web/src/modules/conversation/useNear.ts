import { useEffect, useEffectEvent, useRef, type RefObject } from 'react'

/** Calls back each time an element comes near what is seen of a scroller. `again` changes when it may have to be called once more. */
export function useNear(scroller: RefObject<HTMLElement | null>, near: () => void, again: unknown): RefObject<HTMLDivElement | null> {
  const target = useRef<HTMLDivElement>(null)
  const call = useEffectEvent(near)
  useEffect(() => {
    const el = target.current
    if (!el) return
    const seen = new IntersectionObserver((entries) => entries.at(-1)?.isIntersecting && call(), { root: scroller.current, rootMargin: '600px 0px' })
    seen.observe(el)
    return () => seen.disconnect()
  }, [scroller, again])
  return target
}
