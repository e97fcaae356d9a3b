import { useCallback, useState, type RefCallback } from 'react'

/** Whether an element is in sight. */
export function useInSight(): { ref: RefCallback<HTMLElement>; inSight: boolean } {
  const [inSight, setInSight] = useState(false)
  const ref = useCallback((el: HTMLElement | null) => {
    if (!el) return
    const observer = new IntersectionObserver((entries) => setInSight(entries.at(-1)!.isIntersecting))
    observer.observe(el)
    return () => observer.disconnect()
  }, [])
  return { ref, inSight }
}
