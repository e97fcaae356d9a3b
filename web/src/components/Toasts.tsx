import { useEffect, useState, useSyncExternalStore } from 'react'
import { m } from '@/i18n/paraglide/messages.js'
import { Button, IconButton } from './Button'
import { Coded } from './Coded'
import { Icon } from './Icon'

interface Toast {
  id: number
  text: string
  action?: { label: string; act: () => void }
}

const staysFor = 12_000
let toasts: readonly Toast[] = []
let last = 0
const listeners = new Set<() => void>()

function become(next: readonly Toast[]): void {
  toasts = next
  for (const l of listeners) l()
}

const leaving = new Map<number, ReturnType<typeof setTimeout>>()
const holds = new Map<number, Set<string>>()

function close(id: number): void {
  clearTimeout(leaving.get(id))
  leaving.delete(id)
  holds.delete(id)
  become(toasts.filter((t) => t.id !== id))
}

function leave(id: number): void {
  clearTimeout(leaving.get(id))
  leaving.set(id, setTimeout(() => close(id), staysFor))
}

/** Who points at a toast or has the focus in it is not done with it: its time begins anew once they are. */
export function hold(id: number, by: 'pointer' | 'focus', on: boolean): void {
  if (!leaving.has(id)) return // it was closed under them
  const all = holds.get(id) ?? new Set()
  if (on) all.add(by)
  else all.delete(by)
  holds.set(id, all)
  if (all.size === 0) leave(id)
  else clearTimeout(leaving.get(id))
}

/** Says for a while what was done, and how to take it back. */
export function toast(text: string, action?: Toast['action']): void {
  const id = ++last
  for (const old of toasts.slice(0, -2)) close(old.id)
  become([...toasts, { id, text, action }])
  leave(id)
}

const none: readonly Toast[] = []
let places: readonly object[] = []

/** What is said now. */
export const said = (): readonly Toast[] => toasts

function subscribe(l: () => void): () => void {
  listeners.add(l)
  return () => listeners.delete(l)
}

/** Where they are shown. In a sheet they have a place of their own, for what is under it cannot be used: the last place has them. `raised`: above what one writes in. */
export function Toasts({ raised = false }: { raised?: boolean }) {
  const [place] = useState(() => ({}))
  const shown = useSyncExternalStore(subscribe, () => (places.at(-1) === place ? toasts : none))
  useEffect(() => {
    places = [...places, place]
    become(toasts)
    return () => {
      places = places.filter((p) => p !== place)
      become(toasts)
    }
  }, [place])
  return (
    <div role="status" className={`pointer-events-none fixed inset-x-0 z-40 flex flex-col items-center gap-2 px-4 ${raised ? 'bottom-[calc(env(safe-area-inset-bottom)+9rem)] desk:bottom-28' : 'bottom-[calc(env(safe-area-inset-bottom)+4.5rem)] desk:bottom-6'}`}>
      {shown.map((t) => (
        <div
          key={t.id}
          onPointerEnter={() => hold(t.id, 'pointer', true)}
          onPointerLeave={() => hold(t.id, 'pointer', false)}
          onFocus={() => hold(t.id, 'focus', true)}
          onBlur={() => hold(t.id, 'focus', false)}
          className="pointer-events-auto flex max-w-full animate-rise items-center gap-1 rounded-card border bg-surface py-1 pr-1 pl-4 text-minor shadow-float"
        >
          <div className="min-w-0 py-1">
            <span className="line-clamp-4 [overflow-wrap:anywhere]">
              <Coded text={t.text} />
            </span>
          </div>
          {t.action && (
            <Button
              look="plain"
              className="shrink-0 font-strong whitespace-nowrap text-accent"
              onClick={() => {
                close(t.id)
                t.action?.act()
              }}
            >
              {t.action.label}
            </Button>
          )}
          <IconButton label={m.dismiss()} onClick={() => close(t.id)}>
            <Icon name="close" size={16} />
          </IconButton>
        </div>
      ))}
    </div>
  )
}
