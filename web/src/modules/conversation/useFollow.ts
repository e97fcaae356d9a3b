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
    let [hand, height] = [false, 0]
    const onHand = () => {
      hand = true
    }
    const onScroll = () => {
      const top = el.scrollTop
      const atEnd = whole.current && el.scrollHeight - top - el.clientHeight < nearBottomPx
      // Only a reader moves the text down: we move it up only, to its end. But a text that became shorter was moved by the browser.
      const moved = top < lastTop.current - 1 && (hand || el.scrollHeight === height)
      if (moved && !atEnd) want(false)
      else if (atEnd && !wanted.current) want(true)
      if (atEnd) hand = false
      lastTop.current = top
      height = el.scrollHeight
    }
    const grown = new ResizeObserver(() => {
      if (wanted.current) toEnd()
      height = el.scrollHeight
    })
    // A row that is put in another's place may have less for a moment, and the browser moves the text by that: it is told
    // only later, when all is as high as before. A reader's move is told before anything else happens.
    const changes = new MutationObserver(() => {
      const less = lastTop.current - el.scrollTop
      if (!wanted.current || hand || less < 1 || less > el.clientHeight) return
      toEnd()
      lastTop.current = el.scrollTop
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
