import { readdirSync } from 'node:fs'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { renderToStaticMarkup } from 'react-dom/server'
import { describe, expect, it } from 'vitest'
import { fixture, play } from '@/conversation/fixture'
import type { TimelineRow } from '@/conversation/rows'
import { RowView } from './Row'

const all = readdirSync(new URL('../../conversation/testdata', import.meta.url))
  .filter((f) => f.endsWith('.jsonl'))
  .map((f) => f.replace('.jsonl', ''))

const client = new QueryClient()
const html = (rows: readonly TimelineRow[]) =>
  rows.map((row) =>
    renderToStaticMarkup(
      <QueryClientProvider client={client}>
        <RowView row={row} cwd="/home/alice/projects/demo" />
      </QueryClientProvider>,
    ),
  )

describe('every recorded conversation', () => {
  it.each(all)('%s is drawn, and nothing of it raw', (name) => {
    const events = fixture(name)
    for (const part of [events.slice(0, Math.floor(events.length / 2)), events]) {
      const { rows } = play(part).s
      for (const out of html(rows)) expect(out.length).toBeGreaterThan(0)
      expect(rows.filter((r) => r.kind === 'raw').map((r) => r.kind === 'raw' && r.name)).toEqual([])
    }
  })
})
