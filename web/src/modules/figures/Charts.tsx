import { useQuery, type UseQueryOptions } from '@tanstack/react-query'
import { useState } from 'react'
import type { Figures, Span } from '@/api/wire'
import { Button } from '@/components/Button'
import { Empty, Loading } from '@/components/Empty'
import { Failure } from '@/components/Notice'
import { Segments } from '@/components/Segments'
import { m } from '@/i18n/paraglide/messages.js'
import { Chart, type ChartProps } from './Chart'

/** What of the series is shown, in order. */
export type Shown = Pick<ChartProps, 'title' | 'show' | 'inBytes' | 'limit'> & { series: string }

/** Charts of a range that one chooses. They are asked for anew only while somebody looks. */
export function Charts({ query, shown }: { query: (span: Span) => UseQueryOptions<Figures, Error, Figures, string[]>; shown: readonly Shown[] }) {
  const [span, setSpan] = useState<Span>('1h')
  const figures = useQuery(query(span))
  const spans = [
    { value: '1h', label: m.range_hour() },
    { value: '12h', label: m.range_half_day() },
    { value: '7d', label: m.range_week() },
  ] as const
  const some = figures.data && shown.some((s) => figures.data.series[s.series]?.some((v) => v !== null))
  return (
    <div className="flex flex-col gap-4">
      <Segments label={m.range()} value={span} options={spans} onChange={setSpan} />
      {figures.error && !figures.data ? (
        <Failure error={figures.error} actions={<Button onClick={() => void figures.refetch()}>{m.try_again()}</Button>} />
      ) : figures.isPending ? (
        <Loading label={m.loading()} rows={4} />
      ) : !some ? (
        <Empty title={m.figures_empty_title()}>{m.figures_empty_text()}</Empty>
      ) : (
        <div className="grid gap-3 desk:grid-cols-2 wide:grid-cols-3">
          {shown.map(({ series, ...s }) => (
            <Chart key={series} {...s} line={figures.data.series[series] ?? []} from={Date.parse(figures.data.from)} step={figures.data.step_seconds * 1000} />
          ))}
        </div>
      )}
    </div>
  )
}
