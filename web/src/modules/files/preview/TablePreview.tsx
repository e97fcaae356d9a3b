import { useVirtualizer } from '@tanstack/react-virtual'
import Papa from 'papaparse'
import { useMemo, useRef } from 'react'
import { Empty } from '@/components/Empty'
import { number } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'

const maxColumns = 200
const height = 33

/** A CSV file as a table; of many rows only those are drawn that are seen. */
export default function TablePreview({ text }: { text: string }) {
  const rows = useMemo(() => Papa.parse<string[]>(text.replace(/^\ufeff/, ''), { skipEmptyLines: 'greedy' }).data, [text])
  const scroller = useRef<HTMLDivElement>(null)
  const head = rows[0] ?? []
  const columns = Math.min(maxColumns, rows.slice(0, 1000).reduce((n, r) => Math.max(n, r.length), 0))
  // Read while drawing only, and given to nobody.
  // oxlint-disable-next-line react-hooks-js/incompatible-library
  const shown = useVirtualizer({ count: Math.max(0, rows.length - 1), getScrollElement: () => scroller.current, estimateSize: () => height, overscan: 20 })
  const widths = useMemo(() => Array.from({ length: columns }, (_, i) => Math.min(40, Math.max(6, ...rows.slice(0, 200).map((r) => (r[i] ?? '').length + 3)))), [rows, columns])
  if (rows.length === 0) return <Empty title={m.table_empty()} />
  const template = { gridTemplateColumns: `4rem ${widths.map((w) => `${w}ch`).join(' ')}`, width: 'max-content', minWidth: '100%' }
  const cell = 'truncate border-e border-b px-2 py-1.5'
  return (
    <>
      <div ref={scroller} className="scroller min-h-0 flex-1 font-mono text-code" tabIndex={0} role="region" aria-label={m.table_label()}>
        <div role="table" aria-rowcount={rows.length} aria-colcount={columns}>
          <div role="row" aria-rowindex={1} className="sticky top-0 z-10 grid bg-page font-strong" style={template}>
            <span role="columnheader" className={cell}>
              <span className="sr-only">{m.table_row()}</span>
            </span>
            {widths.map((_, i) => (
              <span key={i} role="columnheader" className={cell} title={head[i]}>
                {head[i]}
              </span>
            ))}
          </div>
          <div role="rowgroup" className="relative" style={{ height: shown.getTotalSize() }}>
            {shown.getVirtualItems().map((v) => (
              <div key={v.key} role="row" aria-rowindex={v.index + 2} className="absolute inset-x-0 grid" style={{ ...template, height, transform: `translateY(${v.start}px)` }}>
                <span role="rowheader" className={`${cell} text-end text-muted tabular`}>
                  {v.index + 1}
                </span>
                {widths.map((_, i) => (
                  <span key={i} role="cell" className={cell} title={rows[v.index + 1]?.[i]}>
                    {rows[v.index + 1]?.[i]}
                  </span>
                ))}
              </div>
            ))}
          </div>
        </div>
      </div>
      <p className="border-t px-4 py-1.5 text-small text-muted tabular">{m.table_size({ count: rows.length - 1, rows: number(rows.length - 1), columns: number(columns) })}</p>
    </>
  )
}
