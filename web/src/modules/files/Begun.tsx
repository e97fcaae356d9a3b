import { useEffect, useEffectEvent } from 'react'
import { whenIdle } from '@/idle'

// About what a tall screen shows.
const shownLines = 120
const shownChars = 20_000

/** How a text begins, in the place where the editor will show it: it can be read until that is there. */
export function Begun({ text, onDrawn }: { text: string; onDrawn: () => void }) {
  const drawn = useEffectEvent(onDrawn)
  useEffect(() => whenIdle(() => drawn()), [])
  const digits = String(text.split('\n').length).length
  return (
    <div aria-busy className="min-h-0 flex-1 overflow-hidden bg-surface py-1 font-mono text-[1rem] leading-[1.55]! desk:text-code">
      {text
        .slice(0, shownChars)
        .split('\n', shownLines)
        .map((line, n) => (
          <div key={n} className="flex">
            <span aria-hidden className="shrink-0 pe-1 text-end text-muted select-none" style={{ width: `calc(${digits + 1}ch + 11px)` }}>
              {n + 1}
              <span className="inline-block w-[1ch]" />
            </span>
            <span className="min-h-[1lh] min-w-0 flex-1 [tab-size:4] ps-1.5 pe-0.5 [overflow-wrap:anywhere] whitespace-break-spaces">{line}</span>
          </div>
        ))}
    </div>
  )
}
