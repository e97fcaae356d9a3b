import { useCallback, useEffect, useRef, useState, type RefObject } from 'react'

const nearBottomPx = 32

/**
 * Keeps the end of a growing text in view while the reader wants it. Wanting is
 * an intent: it ends when they scroll up, and begins again at the bottom or by
 * `follow`. Content that grows by itself never counts as scrolling. `whole`
 * says whether the end of what is drawn is the end of all.
 */
export function useFollow(scroller: RefObject<HTMLElement | null>, content: RefObject<HTMLElement | null>, whole: RefObject<boolean>, begin: boolean): { following: boolean; follow: () => void; leave: () => void } {
  const [following, setFollowing] = useState(begin)
  const wanted = useRef(begin)
  const lastTop = useRef(0)

  const toEnd = useCallback(() => {
    const el = scroller.current
    if (el) el.scrollTop = el.scrollHeight
  }, [scroller])

  const want = useCallback((v: boolean) => {
    wanted.current = v
    setFollowing(v)
  }, [])

  useEffect(() => {
    const el = scroller.current
    const inner = content.current
    if (!el || !inner) return
    let [hand, height, changed] = [false, 0, 0]
    let doubts: number[] = []
    const onHand = () => {
      hand = true
    }
    const onScroll = () => {
      const top = el.scrollTop
      const atEnd = whole.current && el.scrollHeight - top - el.clientHeight < nearBottomPx
      // Only a reader moves the text down: we move it up only, to its end. But a text that was shorter for a moment was
      // moved by the browser, by what a row that is put in another's place had less. What moves it without a hand that
      // we are told of (the browser's own search, in some its scroll bar) is a reader where the text stands still, or
      // where it goes on.
      const down = top < lastTop.current - 1
      const doubtful = down && !hand && changed > 0 && el.scrollHeight === height
      if (doubtful) doubts = [...doubts.filter((at) => at > performance.now() - 1000), performance.now()]
      const moved = down && (hand || (el.scrollHeight === height && (!doubtful || doubts.length > 2)))
      if (moved && !atEnd) want(false)
      else if (doubtful && wanted.current && !atEnd) return toEnd() // we are told of that as well
      else if (atEnd && !wanted.current) want(true)
      if (atEnd) hand = false
      lastTop.current = top
      height = el.scrollHeight
    }
    const grown = new ResizeObserver(() => {
      if (wanted.current) toEnd()
      height = el.scrollHeight
    })
    // The browser tells of its move in the frame after the one that drew the change.
    const changes = new MutationObserver(() => {
      changed++
      requestAnimationFrame(() => requestAnimationFrame(() => changed--))
    })
    const hands = ['wheel', 'touchmove', 'pointerdown', 'keydown'] as const
    for (const by of hands) el.addEventListener(by, onHand, { passive: true })
    el.addEventListener('scroll', onScroll, { passive: true })
    changes.observe(inner, { childList: true, characterData: true, subtree: true })
    grown.observe(inner)
    grown.observe(el)
    return () => {
      el.removeEventListener('scroll', onScroll)
      for (const by of hands) el.removeEventListener(by, onHand)
      changes.disconnect()
      grown.disconnect()
    }
  }, [scroller, content, whole, toEnd, want])

  const follow = useCallback(() => {
    want(true)
    toEnd()
  }, [want, toEnd])

  const leave = useCallback(() => want(false), [want])

  return { following, follow, leave }
}
