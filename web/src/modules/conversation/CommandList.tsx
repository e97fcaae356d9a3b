import type { Command } from '@/conversation/line'
import { m } from '@/i18n/paraglide/messages.js'

const shown = 8

/** The commands that a text which begins with a slash may mean. */
export function matching(text: string, commands: readonly Command[]): Command[] {
  const typed = /^\/([\w:-]*)$/.exec(text)?.[1]?.toLowerCase()
  if (typed === undefined) return []
  const begins = commands.filter((c) => c.name.toLowerCase().startsWith(typed) && c.name.toLowerCase() !== typed)
  return begins.slice(0, shown)
}

export function CommandList({ id, commands, chosen, onTake }: { id: string; commands: readonly Command[]; chosen: number; onTake: (c: Command) => void }) {
  return (
    <div id={id} role="listbox" aria-label={m.commands()} className="absolute inset-x-3 bottom-full z-10 mb-1 overflow-hidden rounded-card border bg-surface p-1 shadow-float desk:inset-x-6">
      {commands.map((c, i) => (
        <div
          key={c.name}
          id={`${id}-${i}`}
          role="option"
          tabIndex={-1}
          aria-selected={i === chosen}
          onMouseDown={(e) => {
            e.preventDefault()
            onTake(c)
          }}
          className="flex min-h-11 cursor-pointer items-center gap-3 rounded-control px-3 text-minor aria-selected:bg-sunken desk:min-h-8"
        >
          <span className="shrink-0 font-mono text-code">/{c.name}</span>
          {c.hint && <span className="hidden shrink-0 font-mono text-small text-muted desk:inline">{c.hint}</span>}
          <span className="truncate text-muted">{c.description}</span>
        </div>
      ))}
    </div>
  )
}
