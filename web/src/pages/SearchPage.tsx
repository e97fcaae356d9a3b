import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { queries } from '@/api/queries'
import type { Found } from '@/api/wire'
import { Button } from '@/components/Button'
import { Empty, Loading } from '@/components/Empty'
import { Field } from '@/components/Field'
import { Marked } from '@/components/Mark'
import { Failure } from '@/components/Notice'
import { Page } from '@/components/Page'
import { useNow } from '@/components/useNow'
import { ago } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { titleOf } from '@/modules/sessions/SessionList'

/** Words in one's own conversations. What is looked for is in the address. */
export function SearchPage() {
  const { q = '' } = useSearch({ from: '/app/search' })
  const navigate = useNavigate()
  const [text, setText] = useState(q)
  return (
    <Page title={m.search()}>
      <form
        role="search"
        className="mb-4 flex items-end gap-2"
        onSubmit={(e) => {
          e.preventDefault()
          void navigate({ to: '/search', search: text.trim() ? { q: text.trim() } : {} })
        }}
      >
        <div className="flex-1">
          <Field label={m.search_words()} type="search" value={text} onChange={(e) => setText(e.target.value)} maxLength={200} autoFocus />
        </div>
        <Button type="submit" look="primary">
          {m.search()}
        </Button>
      </form>
      {q !== '' && <Hits q={q} />}
    </Page>
  )
}

function Hits({ q }: { q: string }) {
  const { data, error, isPending, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({ ...queries.search(q), placeholderData: keepPreviousData })
  if (error && !data) return <Failure error={error} actions={<Button onClick={() => void refetch()}>{m.try_again()}</Button>} />
  if (isPending) return <Loading label={m.loading()} rows={4} />
  const hits = data.pages.flatMap((p) => p.items)
  return (
    <>
      {hits.length === 0 && !hasNextPage && <Empty title={m.search_empty_title()}>{m.search_empty_text()}</Empty>}
      {hits.length > 0 && (
        <ul className="overflow-hidden rounded-card border">
          {hits.map((hit) => (
            <Hit key={`${hit.session_id}:${hit.seq}`} hit={hit} q={q} />
          ))}
        </ul>
      )}
      {hasNextPage && (
        <Button className="mt-3" busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          {m.search_more()}
        </Button>
      )}
    </>
  )
}

function Hit({ hit, q }: { hit: Found; q: string }) {
  const now = useNow()
  return (
    <li className="border-t first:border-t-0">
      <Link to="/s/$sessionId" params={{ sessionId: hit.session_id }} search={{ at: hit.seq }} className="block px-3 py-2.5 -outline-offset-2 transition-colors hover:bg-hover desk:px-4">
        <span className="flex items-baseline gap-2">
          <span className="min-w-0 flex-1 truncate font-strong">{titleOf(hit)}</span>
          <time dateTime={hit.at} className="text-small text-muted tabular">
            {ago(hit.at, now)}
          </time>
        </span>
        <span className="block text-minor break-words"><Marked text={hit.snippet} q={q} /></span>
        <span className="block truncate text-small text-muted">{[hit.project, whoSaid(hit)].filter(Boolean).join(' · ')}</span>
      </Link>
    </li>
  )
}

function whoSaid(hit: Found): string {
  switch (hit.role) {
    case 'user':
      return m.search_said_user()
    case 'assistant':
      return m.search_said_assistant()
    case 'tool':
      return m.search_said_tool({ name: hit.tool ?? '' })
    case 'result':
      return m.search_said_result()
  }
}
