import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { queries } from '@/api/queries'
import type { Session } from '@/api/wire'
import { Button } from '@/components/Button'
import { Empty, Loading } from '@/components/Empty'
import { Select } from '@/components/Field'
import { Icon } from '@/components/Icon'
import { Lamp } from '@/components/Lamp'
import { Failure, Notice } from '@/components/Notice'
import { Page, Section } from '@/components/Page'
import { bytes } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { drafts } from '@/modules/conversation/draft'
import { lightOfState } from '@/modules/sessions/order'
import { titleOf } from '@/modules/sessions/SessionList'
import { useBegin } from '@/modules/sessions/useBegin'
import { lightName } from '@/modules/sessions/words'
import { handOver } from '@/share/handed'
import { forgetShared, readShared, type Shared } from '@/share/store'
import { takers } from '@/share/takers'

/** Where what another app shared is to go. Nothing is sent: it waits in the draft. */
export function SharePage() {
  const { lost } = useSearch({ from: '/app/share' })
  const navigate = useNavigate()
  const [shared, setShared] = useState<Shared[] | null>(null)
  useEffect(() => void readShared().catch(() => []).then(setShared), [])
  if (!shared) return <Loading label={m.loading()} />
  const text = shared.map((s) => s.text).filter(Boolean).join('\n\n')
  const files = shared.flatMap((s) => s.files)
  const put = async (sessionId: string) => {
    await drafts.load(sessionId) // what was attached there before stays
    if (text !== '') drafts.restore(sessionId, text, [])
    handOver(sessionId, files)
    await forgetShared().catch(() => {})
    void navigate({ to: '/s/$sessionId', params: { sessionId }, replace: true })
  }
  const discard = () => void forgetShared().then(() => navigate({ to: '/', replace: true }))
  return (
    <Page title={m.share_title()}>
      {lost && (
        <div className="mb-4">
          <Notice tone="danger" title={m.share_lost()} />
        </div>
      )}
      {shared.length === 0 ? (
        !lost && <Empty title={m.share_empty_title()}>{m.share_empty_text()}</Empty>
      ) : (
        <>
          <What text={text} files={files} onDiscard={discard} />
          <Section title={m.share_into()}>
            <Recent onPick={(id) => void put(id)} />
          </Section>
          <Section title={m.session_new()}>
            <InProject onMade={(id) => void put(id)} />
          </Section>
        </>
      )}
    </Page>
  )
}

function What({ text, files, onDiscard }: { text: string; files: readonly File[]; onDiscard: () => void }) {
  return (
    <Section title={m.share_what()} text={m.share_what_text()}>
      {text !== '' && <p className="scroller max-h-40 rounded-card border bg-sunken px-3 py-2 text-minor [overflow-wrap:anywhere] whitespace-pre-wrap">{text}</p>}
      <ul>
        {files.map((f, i) => (
          <li key={i} className="flex min-h-9 items-center gap-2.5 text-minor">
            <Icon name={f.type.startsWith('image/') ? 'image' : 'file'} className="text-muted" />
            <span className="min-w-0 flex-1 truncate">{f.name}</span>
            <span className="text-small text-muted tabular">{bytes(f.size)}</span>
          </li>
        ))}
      </ul>
      <Button className="mt-3" onClick={onDiscard}>
        {m.share_discard()}
      </Button>
    </Section>
  )
}

function Recent({ onPick }: { onPick: (id: string) => void }) {
  const { data, error } = useQuery(queries.sessions())
  if (error && !data) return <Failure error={error} />
  if (!data) return <Loading label={m.loading()} />
  const recent = takers(data)
  if (recent.length === 0) return <p className="text-minor text-muted">{m.sessions_empty_title()}</p>
  return (
    <ul className="overflow-hidden rounded-card border">
      {recent.map((s) => (
        <li key={s.id} className="border-t first:border-t-0">
          <SessionButton session={s} onPick={() => onPick(s.id)} />
        </li>
      ))}
    </ul>
  )
}

function SessionButton({ session, onPick }: { session: Session; onPick: () => void }) {
  const light = lightOfState(session.state)
  return (
    <button type="button" onClick={onPick} className="grid min-h-13 w-full grid-cols-[1rem_minmax(0,1fr)] items-center gap-x-3 px-4 py-1.5 text-start -outline-offset-2 hover:bg-hover">
      <Lamp light={light} label={lightName(light)} />
      <span className="truncate">{titleOf(session)}</span>
      <span className="col-start-2 truncate text-small text-muted">{session.project}</span>
    </button>
  )
}

function InProject({ onMade }: { onMade: (id: string) => void }) {
  const { data, error } = useQuery(queries.projects())
  const [chosen, setChosen] = useState('')
  const names = data?.map((p) => p.name) ?? []
  const project = names.includes(chosen) ? chosen : (names[0] ?? '')
  const create = useBegin((session) => onMade(session.id))
  if (error && !data) return <Failure error={error} />
  if (!data) return <Loading label={m.loading()} />
  if (names.length === 0)
    return (
      <>
        <p className="mb-3 text-minor text-muted">{m.share_needs_project()}</p>
        <Link to="/projects" search={{ add: true }} className="inline-flex min-h-11 items-center rounded-control bg-accent px-4 text-minor font-strong text-on-accent desk:min-h-9">
          {m.project_new()}
        </Link>
      </>
    )
  return (
    <form
      className="flex max-w-sm flex-col gap-4"
      onSubmit={(e) => {
        e.preventDefault()
        create.mutate({ project })
      }}
    >
      <Select label={m.project()} value={project} onChange={(e) => setChosen(e.target.value)}>
        {names.map((n) => (
          <option key={n}>{n}</option>
        ))}
      </Select>
      {create.error && <Failure error={create.error} />}
      <Button type="submit" busy={create.isPending}>
        {create.isPending ? m.session_starting() : m.session_start()}
      </Button>
    </form>
  )
}
