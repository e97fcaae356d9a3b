import { useLayoutEffect, useRef } from 'react'

export interface Suggestion {
  key: string
  main: string
  hint?: string
  note?: string
  take: () => void
}

/** What may be meant by what is typed: commands, or files. The composer keeps the focus; it says which is chosen. */
export function Suggestions({ id, label, items, chosen }: { id: string; label: string; items: readonly Suggestion[]; chosen: number }) {
  const list = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => {
    void list.current?.children[chosen]?.scrollIntoView({ block: 'nearest' }) // a promise in newer browsers
  }, [chosen])
  return (
    <div
      ref={list}
      id={id}
      role="listbox"
      aria-label={label}
      tabIndex={-1}
      className="scroller absolute inset-x-3 bottom-full z-10 mb-1 max-h-[40dvh] rounded-card border bg-surface p-1 shadow-float desk:inset-x-6"
    >
      {items.map((s, i) => (
        <div
          key={s.key}
          id={`${id}-${i}`}
          role="option"
          tabIndex={-1}
          aria-selected={i === chosen}
          onMouseDown={(e) => e.preventDefault() /* the focus stays */}
          onClick={s.take}
          className="flex min-h-11 cursor-pointer items-baseline gap-3 rounded-control px-3 py-2 text-minor hover:bg-hover aria-selected:bg-sunken desk:min-h-8 desk:py-1"
        >
          <span className="min-w-0 shrink-0 font-mono text-code max-desk:max-w-[70%] [overflow-wrap:anywhere]">{s.main}</span>
          {s.hint && <span className="max-w-[40%] shrink-0 truncate font-mono text-small text-muted">{s.hint}</span>}
          {s.note && <span className={`min-w-0 text-muted ${i === chosen ? '' : 'truncate'}`}>{s.note}</span>}
        </div>
      ))}
    </div>
  )
}
