import { useEffect, useEffectEvent, useRef, type RefObject } from 'react'
import type { TimelineRow } from '@/conversation/rows'
import type { SessionView } from '@/stream/held'
import { writes } from './dock/useCardKeys'

/** To the prompt before, or after. */
export type Step = -1 | 1

/** The prompt next to a place among the rows; -1: there is none. */
export function promptBeside(rows: readonly TimelineRow[], here: number, by: Step): number {
  for (let i = here + by; i >= 0 && i < rows.length; i += by) if (rows[i]!.kind === 'prompt') return i
  return -1
}

type Rows = Pick<SessionView, 'rows' | 'more' | 'first'>

/** The key of the prompt next to a row, also where it has to be fetched; without a row, next to the end. null: there is none. */
export async function findPrompt(view: () => Rows, earlier: () => Promise<void>, from: string | undefined, by: Step): Promise<string | null> {
  for (;;) {
    const { rows, more, first } = view()
    const here = from === undefined ? rows.length : rows.findIndex((r) => r.key === from)
    const found = here < 0 ? -1 : promptBeside(rows, here, by)
    if (found >= 0) return rows[found]!.key
    if (by === 1 || !more || here < 0) return null
    await earlier()
    if (view().first === first) return null // it cannot be fetched now
  }
}

/** The row in sight that has the focus, or that was gone to, or else the first one in sight. */
function rowInSight(scroller: HTMLElement, last: string | null): string | undefined {
  const { top, bottom } = scroller.getBoundingClientRect()
  const seen = [...scroller.querySelectorAll<HTMLElement>('[data-row]')].filter((el) => {
    const box = el.getBoundingClientRect()
    return box.bottom > top && box.top < bottom
  })
  const row = seen.find((el) => el.contains(document.activeElement)) ?? seen.find((el) => el.dataset.row === last) ?? seen[0]
  return row?.dataset.row
}

/** Where the keys are somebody else's. An empty composer has no use for them. */
function typing(target: EventTarget | null): boolean {
  if (target instanceof HTMLTextAreaElement && target.matches('[data-composer]')) return target.value !== ''
  return writes(target)
}

interface Options {
  view: () => Rows
  earlier: () => Promise<void>
  scroller: RefObject<HTMLElement | null>
  /** The end is followed: then that is where one is. */
  following: boolean
  onGo: (key: string) => void
  onEnd: () => void
}

/** Goes from prompt to prompt, with Alt and an arrow too. After the last one comes the end. */
export function usePrompts({ view, earlier, scroller, following, onGo, onEnd }: Options): (by: Step) => void {
  const last = useRef<string | null>(null)
  const go = async (by: Step) => {
    const el = scroller.current
    if (!el) return
    const focused = el.contains(document.activeElement) && document.activeElement !== el
    const key = await findPrompt(view, earlier, following && !focused ? undefined : rowInSight(el, last.current), by)
    if (key !== null) {
      last.current = key
      onGo(key)
    } else if (by === 1) onEnd()
  }
  const onKey = useEffectEvent((e: KeyboardEvent) => {
    const by = e.key === 'ArrowUp' ? -1 : e.key === 'ArrowDown' ? 1 : null
    if (by === null || !e.altKey || e.ctrlKey || e.metaKey || e.shiftKey || e.isComposing || e.defaultPrevented) return
    if (typing(e.target) || document.querySelector('dialog[open]')) return
    e.preventDefault()
    void go(by)
  })
  useEffect(() => {
    const listen = (e: KeyboardEvent) => onKey(e)
    addEventListener('keydown', listen)
    return () => removeEventListener('keydown', listen)
  }, [])
  return (by) => void go(by)
}
