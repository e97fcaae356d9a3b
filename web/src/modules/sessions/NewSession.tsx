import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { queries } from '@/api/queries'
import type { Session } from '@/api/wire'
import { Button } from '@/components/Button'
import { Dialog } from '@/components/Dialog'
import { Loading } from '@/components/Empty'
import { Select } from '@/components/Field'
import { Failure } from '@/components/Notice'
import { m } from '@/i18n/paraglide/messages.js'
import { lastProjectKey } from './lastProject'
import { lastUsed } from './lastUsed'
import { useBegin } from './useBegin'
import { modeName, modeNote } from './words'

/** Begins a session: in which project, and when Claude asks before it acts. */
export function NewSession({ onClose, onBegun, project: given }: { onClose: () => void; onBegun?: (session: Session) => void; project?: string }) {
  const navigate = useNavigate()
  const projects = useQuery(queries.projects())
  const { data: sessions = [] } = useQuery(queries.sessions())
  const [chosen, setChosen] = useState(given ?? localStorage.getItem(lastProjectKey) ?? '')
  const [mode, setMode] = useState('default')
  const { last, others } = lastUsed(projects.data ?? [], sessions)
  const names = [...last, ...others]
  const project = names.includes(chosen) ? chosen : (names[0] ?? '')
  const create = useBegin((session) => {
    localStorage.setItem(lastProjectKey, session.project)
    onBegun?.(session)
    onClose()
    void navigate({ to: '/s/$sessionId', params: { sessionId: session.id } })
  })
  return (
    <Dialog title={m.session_new()} onClose={onClose}>
      {projects.isPending ? (
        <Loading label={m.loading()} />
      ) : names.length === 0 ? (
        <div className="flex flex-col gap-4">
          {projects.error ? <Failure error={projects.error} /> : <p className="text-muted">{m.session_needs_project()}</p>}
          <Link to="/projects" search={{ add: true }} onClick={onClose} className="inline-flex min-h-11 items-center justify-center rounded-control bg-accent px-4 text-minor font-strong text-on-accent desk:min-h-9">
            {m.project_new()}
          </Link>
        </div>
      ) : (
        <form
          className="flex flex-col gap-4"
          onSubmit={(e) => {
            e.preventDefault()
            create.mutate({ project, permission_mode: mode })
          }}
        >
          <Select label={m.project()} value={project} onChange={(e) => setChosen(e.target.value)}>
            {others.length === 0 ? (
              <Names of={last} />
            ) : (
              <>
                <optgroup label={m.projects_recent()}>
                  <Names of={last} />
                </optgroup>
                <optgroup label={m.projects_others()}>
                  <Names of={others} />
                </optgroup>
              </>
            )}
          </Select>
          <Select label={m.mode()} value={mode} hint={modeNote(mode)} onChange={(e) => setMode(e.target.value)}>
            {['default', 'acceptEdits', 'plan'].map((v) => (
              <option key={v} value={v}>
                {modeName(v)}
              </option>
            ))}
          </Select>
          {create.error && <Failure error={create.error} />}
          <Button type="submit" look="primary" busy={create.isPending}>
            {create.isPending ? m.session_starting() : m.session_start()}
          </Button>
        </form>
      )}
    </Dialog>
  )
}

function Names({ of }: { of: readonly string[] }) {
  return of.map((n) => <option key={n}>{n}</option>)
}
