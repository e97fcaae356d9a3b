import { useRef, type RefObject } from 'react'
import { m } from '@/i18n/paraglide/messages.js'
import { changeColumn, clampWidth, mostIn, widthAfterKey, widths } from './column'

interface Props {
  column: RefObject<HTMLElement | null>
  width: number
  windowWidth: number
}

/** The edge between the conversation and the work, which is dragged. Only a variable of the column changes until it is let go. */
export function Separator({ column, width, windowWidth }: Props) {
  const grip = useRef<{ x: number; width: number; now: number } | null>(null)
  const end = () => {
    if (grip.current) changeColumn({ width: grip.current.now })
    grip.current = null
  }
  return (
    // A separator that can be moved is a control; the rule knows only the other kind.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <div
      role="separator"
      aria-orientation="vertical"
      aria-label={m.work_width()}
      aria-valuenow={width}
      aria-valuemin={widths.least}
      aria-valuemax={mostIn(windowWidth)}
      aria-controls="work"
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      onKeyDown={(e) => {
        if (e.ctrlKey || e.metaKey || e.altKey) return
        const to = widthAfterKey(e.key, width, windowWidth)
        if (to === null) return
        e.preventDefault()
        changeColumn({ width: to })
      }}
      onDoubleClick={() => changeColumn({ width: clampWidth(widths.usual, windowWidth) })}
      onPointerDown={(e) => {
        if (e.button !== 0) return
        e.currentTarget.setPointerCapture(e.pointerId)
        grip.current = { x: e.clientX, width, now: width }
      }}
      onPointerMove={(e) => {
        if (!grip.current) return
        grip.current.now = clampWidth(grip.current.width + grip.current.x - e.clientX, windowWidth)
        column.current?.style.setProperty('--work-width', `${grip.current.now}px`)
        e.currentTarget.setAttribute('aria-valuenow', `${grip.current.now}`)
      }}
      onPointerUp={end}
      onPointerCancel={end}
      className="group/edge absolute inset-y-0 -left-1.5 z-10 w-3 cursor-col-resize touch-none outline-none"
    >
      <span aria-hidden="true" className="absolute inset-y-0 left-1 w-0.5 transition-colors group-hover/edge:bg-edge group-active/edge:bg-accent group-focus-visible/edge:bg-accent" />
    </div>
  )
}
