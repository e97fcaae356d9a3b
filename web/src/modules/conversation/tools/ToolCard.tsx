import { memo, useId, useState } from 'react'
import { Icon, type IconName } from '@/components/Icon'
import { DiffCount } from '@/components/code/Diff'
import type { ToolRow, ToolStatus } from '@/conversation/model'
import { m } from '@/i18n/paraglide/messages.js'
import { faceOf } from './face'
import { ToolBody } from './ToolBody'

export const marks: Record<ToolStatus, { icon: IconName; tone: string; glow?: boolean }> = {
  preparing: { icon: 'clock', tone: 'text-muted', glow: true },
  asking: { icon: 'chat', tone: 'text-wait' },
  running: { icon: 'clock', tone: 'text-accent', glow: true },
  background: { icon: 'clock', tone: 'text-accent', glow: true },
  done: { icon: 'check', tone: 'text-accent' },
  failed: { icon: 'close', tone: 'text-danger' },
  denied: { icon: 'dash', tone: 'text-danger' },
  stopped: { icon: 'stop', tone: 'text-muted' },
}

export function statusName(status: ToolStatus): string {
  switch (status) {
    case 'preparing':
      return m.tool_preparing()
    case 'asking':
      return m.tool_asking()
    case 'running':
      return m.tool_running()
    case 'background':
      return m.tool_in_background()
    case 'done':
      return m.tool_done()
    case 'failed':
      return m.tool_failed()
    case 'denied':
      return m.tool_denied()
    case 'stopped':
      return m.tool_stopped()
  }
}

/** Short diffs open by themselves, and so do commands that run for long. */
const shortDiffLines = 24

/** A tool call: one line until it is opened. */
export const ToolCard = memo(function ToolCard({ row, cwd, nested = false }: { row: ToolRow; cwd: string | null; nested?: boolean }) {
  const face = faceOf(row, cwd)
  const id = useId()
  const lines = face.patch?.hunks.reduce((n, h) => n + h.lines.length, 0) ?? 0
  const opensItself = row.status === 'failed' || (row.status === 'done' && lines > 0 && lines <= shortDiffLines && !nested) || (row.children.length > 0 && row.status === 'running') || ((row.status === 'background' || row.name === 'Bash') && row.task?.running === true)
  const [chosen, setChosen] = useState<boolean | null>(null)
  const open = chosen ?? opensItself
  const mark = marks[row.status]
  return (
    <div className={`overflow-hidden rounded-card border ${row.status === 'asking' ? 'border-wait/60' : ''}`}>
      <button
        type="button"
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setChosen(!open)}
        className="flex min-h-11 w-full items-center gap-2 px-3 py-1 text-start text-minor -outline-offset-2 transition-colors hover:bg-hover desk:min-h-9"
      >
        <span className={`${mark.tone} ${mark.glow ? 'animate-glow' : ''}`}>
          <Icon name={mark.icon} size={15} />
          <span className="sr-only">{statusName(row.status)} </span>
        </span>
        <span className="shrink-0 font-strong">{face.verb}</span>
        <span className="min-w-0 flex-1 truncate font-mono text-code text-muted">{face.object}</span>
        <span className="shrink-0 text-small text-muted tabular">{face.patch ? <DiffCount patch={face.patch} /> : face.note}</span>
        <Icon name="chevron" size={14} className={`text-muted transition-transform ${open ? 'rotate-180' : ''}`} />
      </button>
      {open && (
        <div id={id} className="border-t">
          <ToolBody row={row} cwd={cwd} patch={face.patch} />
        </div>
      )}
    </div>
  )
})
