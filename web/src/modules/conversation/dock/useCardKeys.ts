import { useEffect, useRef } from 'react'

/** Whether keys that are pressed there are somebody's writing, or belong to what is open over the page. */
export function writes(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('input, textarea, select, dialog, [contenteditable], [role="dialog"], [role="menu"], [role="tree"]') !== null
}

interface Press {
  key: string
  ctrlKey: boolean
  metaKey: boolean
  altKey: boolean
  repeat: boolean
  isComposing: boolean
}

export type Choice = 'allow' | 'deny' | number

/** What a key says to a request: A allows once, D asks why not, 1 to 9 are its own "always" choices. */
export function choiceOf(e: Press, always: number): Choice | undefined {
  if (e.ctrlKey || e.metaKey || e.altKey || e.repeat || e.isComposing) return undefined
  const key = e.key.toLowerCase()
  if (key === 'a') return 'allow'
  if (key === 'd') return 'deny'
  const n = /^[1-9]$/.test(key) ? Number(key) : 0
  return n > 0 && n <= always ? n - 1 : undefined
}

const card = '[data-request]'

/** Takes the keyboard to the request that waits. Gives false where there is none. */
export function goToRequest(): boolean {
  const el = document.querySelector<HTMLElement>(card)
  el?.focus({ preventScroll: true })
  return el !== null
}

/** Takes the keyboard back to where one writes; a phone would open its own. */
export function goToComposer(): void {
  if (matchMedia('(pointer: fine)').matches) document.querySelector<HTMLElement>('[data-composer]')?.focus({ preventScroll: true })
}

/** Answers a request by the keyboard while that is in its card: what is typed elsewhere, or into nothing, never allows anything. */
export function useCardKeys(always: number, act: ((choice: Choice) => void) | null): void {
  const now = useRef(act)
  now.current = act
  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      const here = e.target instanceof Element && e.target.closest(card) !== null
      const choice = now.current && here && !e.defaultPrevented && !writes(e.target) ? choiceOf(e, always) : undefined
      if (choice === undefined) return
      e.preventDefault()
      now.current?.(choice)
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [always])
}
