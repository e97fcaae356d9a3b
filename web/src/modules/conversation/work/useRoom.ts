import { useEffect, useState, type RefObject } from 'react'

/** Whether an element is at least so wide. */
export function useRoom(ref: RefObject<HTMLElement | null>, px: number): boolean {
  const [room, setRoom] = useState(false)
  useEffect(() => {
    const el = ref.current
    if (!el) return
    const seen = new ResizeObserver(() => setRoom(el.clientWidth >= px))
    seen.observe(el)
    return () => seen.disconnect()
  }, [ref, px])
  return room
}
