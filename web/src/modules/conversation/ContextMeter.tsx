import { Menu, MenuItem } from '@/components/Menu'
import { Icon } from '@/components/Icon'
import { compact, percent } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { stream } from '@/stream/page'
import type { SessionView } from '@/stream/held'
import { contextOf } from './pickers'

/** From here on a compaction is near. */
const near = 0.75

/** How full the context is: a bar with its number, and a way to make room. */
export function ContextMeter({ id, view }: { id: string; view: SessionView }) {
  const context = contextOf(view)
  if (context?.share == null) return null
  const share = Math.min(1, context.share)
  const tight = share >= near
  const tokens = m.context_tokens({ used: compact(context.tokens), all: compact(view.contextWindow ?? 0) })
  return (
    <Menu
      trigger={
        <button type="button" className={`inline-flex min-h-8 items-center gap-2 rounded-full border px-3 text-minor whitespace-nowrap transition-colors hover:bg-hover tabular ${tight ? 'border-wait text-wait' : 'text-muted hover:text-content'}`}>
          <svg viewBox="0 0 36 8" width="36" height="8" aria-hidden="true">
            <rect width="36" height="8" rx="4" className="fill-line" />
            <rect width={Math.max(4, 36 * share)} height="8" rx="4" className={tight ? 'fill-wait' : 'fill-accent'} />
          </svg>
          {m.context({ share: percent(share) })}
        </button>
      }
    >
      <p className="max-w-64 px-3 py-2 text-minor text-muted">
        {tight ? m.two_sentences({ first: tokens, second: m.context_near() }) : tokens}
      </p>
      <CompactItem id={id} view={view} />
    </Menu>
  )
}

/** Makes room in the context, once there is something in it. */
export function CompactItem({ id, view }: { id: string; view: SessionView }) {
  const context = contextOf(view)
  if (!context) return null
  return (
    <MenuItem disabled={view.activity !== 'none'} onSelect={() => stream.prompt(id, '/compact')}>
      <Icon name="box" size={16} /> {m.context_compact()}
      {context.share !== null && <span className="ms-auto ps-3 text-small text-muted tabular min-[56rem]:hidden">{percent(Math.min(1, context.share))}</span>}
    </MenuItem>
  )
}
