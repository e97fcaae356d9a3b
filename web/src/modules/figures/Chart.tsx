import { useId, useState, type KeyboardEvent, type PointerEvent } from 'react'
import { time, timeOfDay } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { nearest, path, summary, ticks, type Line } from './scale'

export interface ChartProps {
  title: string
  line: Line
  /** When the first value's step begins, and how long a step is, in ms. */
  from: number
  step: number
  show: (value: number) => string
  inBytes?: boolean
  /** A quota, which is drawn as a line. */
  limit?: number | undefined
}

const width = 300
const height = 96

/** One figure over time. What it shows is said in words under its title; arrows, a finger or the mouse read single values. */
export function Chart({ title, line, from, step, show, inBytes = false, limit }: ChartProps) {
  const name = useId()
  const [at, setAt] = useState<number | null>(null)
  const all = summary(line)
  const marks = ticks(Math.max(all?.max ?? 0, limit !== undefined && (all?.max ?? 0) > limit / 3 ? limit : 0), inBytes)
  const top = marks.at(-1) ?? 1
  const when = (i: number) => (step * line.length > 86_400_000 ? timeOfDay(from + i * step) : time(from + i * step))
  const seen = at === null ? -1 : nearest(line, Math.min(at, line.length - 1))
  const value = line[seen]
  const point = (e: PointerEvent<HTMLElement>) => {
    const box = e.currentTarget.getBoundingClientRect()
    setAt(Math.round(Math.max(0, Math.min(1, (e.clientX - box.left) / box.width)) * (line.length - 1)))
  }
  const key = (e: KeyboardEvent) => {
    const here = seen < 0 ? line.length - 1 : seen
    const to = { ArrowLeft: here - 1, ArrowRight: here + 1, PageUp: here - 20, PageDown: here + 20, Home: 0, End: line.length - 1 }[e.key]
    if (e.key === 'Escape') setAt(null)
    if (to === undefined) return
    e.preventDefault()
    let i = Math.max(0, Math.min(line.length - 1, to))
    // Over a gap to the next value, not back to the one before it.
    while (line[i] === null && i > 0 && i < line.length - 1) i += to < here ? -1 : 1
    setAt(i)
  }
  const reading = value === undefined || value === null ? '' : m.figure_at({ value: show(value), time: when(seen) })
  return (
    <figure className="min-w-0 rounded-card border px-4 py-3">
      <figcaption className="text-minor">
        <span id={name} className="font-strong">
          {title}
        </span>
        <span className="block min-h-5 text-small text-muted tabular">
          {reading || (all ? m.figure_summary({ last: all.last === null ? m.figure_none() : show(all.last), min: show(all.min), max: show(all.max) }) : m.figure_empty())}
        </span>
      </figcaption>
      <div className="mt-2 grid grid-cols-[auto_1fr] gap-x-2">
        <div className="flex flex-col-reverse justify-between text-end text-small leading-none text-muted tabular" aria-hidden="true">
          {marks.map((v) => (
            <span key={v}>{show(v)}</span>
          ))}
        </div>
        <div
          role="slider"
          tabIndex={all ? 0 : -1}
          aria-labelledby={name}
          aria-valuemin={0}
          aria-valuemax={line.length - 1}
          aria-valuenow={seen < 0 ? line.length - 1 : seen}
          aria-valuetext={reading || (all ? m.figure_summary({ last: all.last === null ? m.figure_none() : show(all.last), min: show(all.min), max: show(all.max) }) : m.figure_empty())}
          aria-disabled={!all}
          className="relative my-1 h-24 touch-pan-y"
          onPointerDown={point}
          onPointerMove={point}
          // A finger that is lifted leaves what it read; the next touch elsewhere takes the focus, and it away.
          onPointerLeave={(e) => e.pointerType === 'mouse' && setAt(null)}
          onBlur={() => setAt(null)}
          onKeyDown={key}
        >
          <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" className="absolute inset-0 size-full overflow-visible" fill="none" aria-hidden="true">
            {marks.map((v) => (
              <path key={v} d={`M0 ${height - (v / top) * height}h${width}`} className="stroke-line" vectorEffect="non-scaling-stroke" />
            ))}
            {limit !== undefined && limit <= top && <path d={`M0 ${height - (limit / top) * height}h${width}`} className="stroke-wait" strokeDasharray="4 3" vectorEffect="non-scaling-stroke" />}
            <path d={path(line, top, width, height)} className="stroke-accent" strokeWidth="1.5" strokeLinejoin="round" strokeLinecap="round" vectorEffect="non-scaling-stroke" />
            {reading && <path d={`M${(seen / Math.max(1, line.length - 1)) * width} 0v${height}`} className="stroke-edge" vectorEffect="non-scaling-stroke" />}
          </svg>
        </div>
        <div className="col-start-2 flex justify-between text-small text-muted tabular" aria-hidden="true">
          <span>{when(0)}</span>
          <span>{when(line.length - 1)}</span>
        </div>
      </div>
      {limit !== undefined && <p className="mt-1 text-small text-muted">{m.figure_limit({ limit: show(limit) })}</p>}
    </figure>
  )
}
