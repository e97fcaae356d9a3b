import { memo, useState } from 'react'
import { m } from '@/i18n/paraglide/messages.js'
import { number } from '@/i18n/format'
import { Button } from '@/components/Button'
import type { Patch } from './diff'

const shownLines = 400

/** A patch, with signs: colour is never all that tells. Without `numbers` where the lines' places in the file are not known. */
export const Diff = memo(function Diff({ patch, numbers = true }: { patch: Patch; numbers?: boolean }) {
  const [all, setAll] = useState(false)
  const rows = patch.hunks.flatMap((h, n) => numbered(h.lines, h.oldStart, h.newStart, n > 0))
  const shown = all ? rows : rows.slice(0, shownLines)
  return (
    <div className="scroller font-mono text-code [tab-size:2]" tabIndex={0} role="group" aria-label={m.diff_label({ count: patch.added, added: number(patch.added), removed: number(patch.removed) })}>
      <table className="min-w-full border-collapse">
        <tbody>
          {shown.map((r, i) =>
            r.gap ? (
              <tr key={i} aria-hidden="true">
                <td colSpan={3} className="px-3 py-0.5 text-muted select-none">
                  ⋯
                </td>
              </tr>
            ) : (
              <tr key={i} className={r.sign === '+' ? 'bg-added' : r.sign === '-' ? 'bg-removed' : ''}>
                <td className="w-px px-2 text-end text-muted tabular select-none">{numbers && r.number}</td>
                <td className={`w-px select-none ${r.sign === '+' ? 'text-accent' : r.sign === '-' ? 'text-danger' : ''}`}>{r.sign === '-' ? '−' : r.sign}</td>
                <td className="pr-3 pl-1 whitespace-pre">{r.text || ' '}</td>
              </tr>
            ),
          )}
        </tbody>
      </table>
      {rows.length > shown.length && (
        <div className="p-2">
          <Button onClick={() => setAll(true)}>{m.show_all_lines({ count: number(rows.length) })}</Button>
        </div>
      )}
    </div>
  )
})

interface Line {
  gap?: boolean
  number: number
  sign: string
  text: string
}

function numbered(lines: string[], oldStart: number, newStart: number, gap: boolean): Line[] {
  const out: Line[] = gap ? [{ gap: true, number: 0, sign: '', text: '' }] : []
  let before = oldStart
  let after = newStart
  for (const l of lines) {
    const sign = l[0] ?? ' '
    const text = l.slice(1)
    if (sign === '-') out.push({ number: before++, sign, text })
    else {
      out.push({ number: after++, sign: sign === '+' ? '+' : ' ', text })
      if (sign !== '+') before++
    }
  }
  return out
}

export function DiffCount({ patch }: { patch: Patch }) {
  return (
    <span className="tabular whitespace-nowrap">
      {patch.added > 0 && <span className="text-accent">+{number(patch.added)}</span>}
      {patch.added > 0 && patch.removed > 0 && ' '}
      {patch.removed > 0 && <span className="text-danger">−{number(patch.removed)}</span>}
    </span>
  )
}
