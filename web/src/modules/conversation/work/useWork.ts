import { useNavigate, useParams, useRouter, useSearch } from '@tanstack/react-router'
import { useEffect, useEffectEvent, useRef } from 'react'
import { useWide } from '@/components/room'
import { actsAlone } from '@/modules/shell/singleKeys'
import { writes } from '../dock/useCardKeys'
import { changeColumn, useColumn } from './column'
import type { WorkTab } from './tabs'

export interface WorkPlace {
  /** Whether it is a column beside the conversation; else a sheet over it. */
  wide: boolean
  open: boolean
  tab: WorkTab
  show: (tab: WorkTab) => void
  close: () => void
  toggle: () => void
}

/**
 * Where the work beside a conversation stands. The address says which tab; a
 * sheet is open while it says one, a column until it is closed in this browser.
 */
export function useWork(): WorkPlace {
  const { sessionId } = useParams({ from: '/app/s/$sessionId' })
  const { work } = useSearch({ from: '/app/s/$sessionId' })
  const navigate = useNavigate()
  const router = useRouter()
  const { closed } = useColumn()
  const wide = useWide()
  const pushed = useRef(false)
  const open = work !== undefined || (wide && !closed)
  const tab = work ?? 'changes'
  const go = (to: WorkTab | undefined, replace: boolean) =>
    void navigate({ to: '/s/$sessionId', params: { sessionId }, search: (s) => ({ ...s, work: to }), replace })
  const show = (to: WorkTab) => {
    if (wide) changeColumn({ closed: false })
    // The way back from a sheet is the conversation.
    const over = !wide && !open
    if (over) pushed.current = true
    go(to, !over)
  }
  const close = () => {
    if (wide) {
      if (document.activeElement?.closest('[data-work]')) document.querySelector<HTMLElement>('[data-work-toggle]')?.focus()
      changeColumn({ closed: true })
    }
    if (!wide && pushed.current) router.history.back()
    else go(undefined, true)
    pushed.current = false
  }
  const toggle = () => (open ? close() : show(tab))
  const onKey = useEffectEvent((e: KeyboardEvent) => {
    if (e.key !== 'w' || !actsAlone(e) || writes(e.target)) return
    e.preventDefault()
    toggle()
  })
  useEffect(() => {
    const listen = (e: KeyboardEvent) => onKey(e)
    addEventListener('keydown', listen)
    return () => removeEventListener('keydown', listen)
  }, [])
  return { wide, open, tab, show, close, toggle }
}
