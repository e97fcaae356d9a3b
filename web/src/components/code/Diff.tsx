import { memo, useState } from 'react'
import { m } from '@/i18n/paraglide/messages.js'
import { number } from '@/i18n/format'
import { Button } from '@/components/Button'
import { plain } from '@/components/plain'
import { useWide } from '@/components/room'
import { setBeside, useBeside } from './beside'
import type { Patch } from './diff'

const shownLines = 400

/** A patch, with signs: colour is never all that tells. Without `numbers` where the lines' places in the file are not known; `room` says whether old and new may stand beside each other. */
export const Diff = memo(function Diff({ patch, numbers = true, room = true }: { patch: Patch; numbers?: boolean; room?: boolean }) {
  const [all, setAll] = useState(false)
  const rows = patch.hunks.flatMap((h, n) => numbered(h.lines, h.oldStart, h.newStart, n > 0))
  const shown = all ? rows : rows.slice(0, shownLines)
  const wide = useWide() && room
  const beside = useBeside() && wide && patch.removed > 0
  return (
    <div>
      {wide && patch.removed > 0 && patch.added > 0 && (
        <div className="flex justify-end border-b px-2 py-1">
          <button type="button" aria-pressed={beside} onClick={() => setBeside(!beside)} className="min-h-6 rounded-control px-2 text-small text-muted hover:bg-hover hover:text-content">
            {beside ? m.diff_inline() : m.diff_beside()}
          </button>
        </div>
      )}
    <div className="scroller font-mono text-code [tab-size:2]" tabIndex={0} role="group" aria-label={m.diff_label({ count: patch.added, added: number(patch.added), removed: number(patch.removed) })}>
      {beside ? <Beside lines={shown} numbers={numbers} /> : <table className="min-w-full border-collapse">
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
      </table>}
      {rows.length > shown.length && (
        <div className="p-2">
          <Button onClick={() => setAll(true)}>{m.show_all_lines({ count: number(rows.length) })}</Button>
        </div>
      )}
    </div>
    </div>
  )
})

interface Line {
  gap?: boolean
  number: number
  /** Of a line that stayed: its number before. */
  old?: number
  sign: string
  text: string
}

function numbered(lines: string[], oldStart: number, newStart: number, gap: boolean): Line[] {
  const out: Line[] = gap ? [{ gap: true, number: 0, sign: '', text: '' }] : []
  let before = oldStart
  let after = newStart
  for (const l of lines) {
    const sign = l[0] ?? ' '
    const text = plain(l.slice(1))
    if (sign === '-') out.push({ number: before++, sign, text })
    else {
      out.push(sign === '+' ? { number: after++, sign, text } : { number: after++, old: before++, sign: ' ', text })
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

/** Old and new beside each other: a run of removed lines stands beside the run of added ones that follows it. */
function Beside({ lines, numbers }: { lines: readonly Line[]; numbers: boolean }) {
  return (
    <table className="w-full table-fixed border-collapse">
      <tbody>
        {pairs(lines).map(([left, right], i) => (
          <tr key={i}>
            <Half line={left} sign="-" number={numbers} />
            <Half line={right} sign="+" number={numbers} />
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Half({ line, sign, number }: { line: Line | undefined; sign: '-' | '+'; number: boolean }) {
  const changed = line?.sign === sign
  return (
    <>
      <td className={`w-12 px-2 text-end align-top text-muted tabular select-none ${changed ? (sign === '-' ? 'bg-removed' : 'bg-added') : ''}`}>{line && !line.gap && number && (sign === '-' ? (line.old ?? line.number) : line.number)}</td>
      <td className={`pr-2 align-top whitespace-pre-wrap [overflow-wrap:anywhere] ${changed ? (sign === '-' ? 'bg-removed' : 'bg-added') : ''}`}>
        {line?.gap ? '⋯' : line && `${changed ? (sign === '-' ? '−' : '+') : ' '} ${line.text}`}
      </td>
    </>
  )
}

function pairs(lines: readonly Line[]): [Line | undefined, Line | undefined][] {
  const out: [Line | undefined, Line | undefined][] = []
  for (let i = 0; i < lines.length; ) {
    const removed: Line[] = []
    const added: Line[] = []
    while (lines[i]?.sign === '-') removed.push(lines[i++]!)
    while (lines[i]?.sign === '+') added.push(lines[i++]!)
    for (let n = 0; n < Math.max(removed.length, added.length); n++) out.push([removed[n], added[n]])
    if (removed.length + added.length === 0) out.push([lines[i], lines[i++]])
  }
  return out
}
