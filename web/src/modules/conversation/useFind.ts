import { useEffect, useEffectEvent } from 'react'
import { mac } from '@/components/mac'

type Press = Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey' | 'defaultPrevented'> & { target: unknown }

/** Whether a key asks to find in the page. A terminal and the code editor have a use of their own for it. */
export function asksToFind(e: Press, onMac: boolean): boolean {
  if (e.key.toLowerCase() !== 'f' || e.altKey || e.shiftKey || e.defaultPrevented) return false
  if (onMac ? !e.metaKey || e.ctrlKey : !e.ctrlKey || e.metaKey) return false
  return (e.target as Element | null)?.closest?.('.xterm, .cm-editor') == null
}

/** Ctrl F (⌘ F) opens our search where the browser's would not see the whole conversation; pressed in it, it is the browser's. */
export function useFindKey(active: boolean, open: () => void): void {
  const opens = useEffectEvent(open)
  useEffect(() => {
    if (!active) return
    const onKey = (e: KeyboardEvent) => {
      if (!asksToFind(e, mac) || document.querySelector('dialog[open]')) return
      e.preventDefault()
      opens()
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [active])
}
