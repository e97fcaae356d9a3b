import type { ReactNode } from 'react'
import { pieces } from './found'

/** What was looked for. */
export function Mark({ children }: { children: ReactNode }) {
  return <mark className="rounded-small bg-wait-ground text-content outline outline-wait/50">{children}</mark>
}

/** A text in which the words looked for are marked. */
export function Marked({ text, q }: { text: string; q: string }) {
  return pieces(text, q).map((piece, i) => (i % 2 === 1 ? <Mark key={i}>{piece}</Mark> : piece))
}
