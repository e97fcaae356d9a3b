import { m } from '@/i18n/paraglide/messages.js'
import { path, summary, type Line } from './scale'

const width = 72
const height = 18

interface Props {
  name: string
  line: Line
  limit: number
  show: (value: number) => string
}

/** The last hour beside a figure of now. Whoever is far below the limit has a low line, not a stretched one. */
export function Sparkline({ name, line, limit, show }: Props) {
  const all = summary(line)
  if (!all) return null
  return (
    <svg
      role="img"
      aria-label={m.figure_recent({ name, last: all.last === null ? m.figure_none() : show(all.last), min: show(all.min), max: show(all.max) })}
      viewBox={`0 0 ${width} ${height}`}
      width={width}
      height={height}
      fill="none"
      className="shrink-0 overflow-visible"
    >
      <path d={path(line, Math.max(all.max, limit / 4) || 1, width, height)} className="stroke-muted" strokeWidth="1.25" strokeLinejoin="round" strokeLinecap="round" />
    </svg>
  )
}
