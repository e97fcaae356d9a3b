import { useEffect, type RefObject } from 'react'

/** Keeps an element above the keyboard of a phone, also where that lies over the page instead of making it smaller. */
export function useVisibleHeight(ref: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const seen = window.visualViewport
    if (!seen) return
    const fit = () => {
      const el = ref.current
      if (!el) return
      const covered = window.innerHeight - seen.height - seen.offsetTop
      el.style.marginBottom = covered > 60 && seen.scale === 1 ? `${covered}px` : ''
    }
    seen.addEventListener('resize', fit)
    seen.addEventListener('scroll', fit)
    return () => {
      seen.removeEventListener('resize', fit)
      seen.removeEventListener('scroll', fit)
    }
  }, [ref])
}
