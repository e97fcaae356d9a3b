import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { ApiError, api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { queries } from '@/api/queries'
import type { Project } from '@/api/wire'
import { Button, IconButton } from '@/components/Button'
import { Confirm } from '@/components/Confirm'
import { Dialog } from '@/components/Dialog'
import { Empty, Loading } from '@/components/Empty'
import { Field } from '@/components/Field'
import { Icon } from '@/components/Icon'
import { Menu, MenuItem } from '@/components/Menu'
import { Failure, FormFailure } from '@/components/Notice'
import { Page } from '@/components/Page'
import { useNow } from '@/components/useNow'
import { ago } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { useWaits } from '@/share/useWaits'
import { NewSession } from '@/modules/sessions/NewSession'

export function ProjectsPage() {
  const { add } = useSearch({ from: '/app/projects' })
  const navigate = useNavigate()
  const projects = useQuery(queries.projects())
  const [startIn, setStartIn] = useState<string | null>(null)
  const [removing, setRemoving] = useState<string | null>(null)
  const sharedWaits = useWaits() // the project is made for it
  const setAdd = (on: boolean) => void navigate({ to: '/projects', search: on ? { add: true } : {}, replace: true })
  return (
    <Page
      title={m.projects()}
      actions={
        <Button look="primary" onClick={() => setAdd(true)}>
          {m.project_new()}
        </Button>
      }
    >
      {projects.error && !projects.data ? (
        <Failure error={projects.error} actions={<Button onClick={() => void projects.refetch()}>{m.try_again()}</Button>} />
      ) : projects.isPending ? (
        <Loading label={m.loading()} rows={4} />
      ) : projects.data.length === 0 ? (
        <Empty title={m.projects_empty_title()} action={<Button look="primary" onClick={() => setAdd(true)}>{m.project_new()}</Button>}>
          {m.projects_empty_text()}
        </Empty>
      ) : (
        <List projects={projects.data} onStart={setStartIn} onDelete={setRemoving} />
      )}
      {add && <NewProject onClose={() => setAdd(false)} onMade={(name) => (sharedWaits ? void navigate({ to: '/share', replace: true }) : setStartIn(name))} />}
      {startIn !== null && <NewSession project={startIn} onClose={() => setStartIn(null)} />}
      {removing !== null && <Remove name={removing} onClose={() => setRemoving(null)} />}
    </Page>
  )
}

/** From so many on one looks for a project rather than reads through them. */
const manyProjects = 12

function List({ projects, onStart, onDelete }: { projects: readonly Project[]; onStart: (name: string) => void; onDelete: (name: string) => void }) {
  const [typed, setTyped] = useState('')
  const many = projects.length > manyProjects
  const shown = many ? having(projects, typed) : projects
  return (
    <>
      {many && (
        <div className="mb-4">
          <Field label={m.projects_filter()} type="search" value={typed} onChange={(e) => setTyped(e.target.value)} autoCapitalize="none" autoComplete="off" spellCheck={false} />
        </div>
      )}
      {shown.length > 0 && (
        <ul className="overflow-hidden rounded-card border">
          {shown.map((p) => (
            <ProjectLine key={p.name} project={p} onStart={() => onStart(p.name)} onDelete={() => onDelete(p.name)} />
          ))}
        </ul>
      )}
      <p role="status" className={shown.length === 0 ? 'text-minor text-muted' : 'sr-only'}>
        {shown.length === 0 ? m.palette_nothing() : ''}
      </p>
    </>
  )
}

/** Those in whose name every word typed stands. */
function having(projects: readonly Project[], typed: string): readonly Project[] {
  const words = typed.toLocaleLowerCase().split(/\s+/).filter(Boolean)
  return projects.filter((p) => words.every((w) => p.name.toLocaleLowerCase().includes(w)))
}

function ProjectLine({ project, onStart, onDelete }: { project: Project; onStart: () => void; onDelete: () => void }) {
  const now = useNow()
  const { data: sessions } = useQuery(queries.sessions())
  const count = sessions?.filter((s) => s.project === project.name).length ?? 0
  return (
    <li className="flex min-h-14 items-center gap-3 border-t px-3 py-1.5 first:border-t-0 desk:px-4">
      <Icon name="folder" className="text-muted" />
      <div className="min-w-0 flex-1">
        <p className="truncate font-strong">{project.name}</p>
        <p className="truncate text-minor text-muted tabular">{[m.sessions_count({ count }), ago(project.modified_at, now)].join(' · ')}</p>
      </div>
      <Button onClick={onStart} className="min-w-11">
        <span className="max-desk:hidden">{m.session_new()}</span>
        <Icon name="plus" size={16} className="desk:hidden" />
        <span className="sr-only desk:hidden">{m.session_new()}</span>
      </Button>
      <Menu
        trigger={
          <IconButton label={m.project_menu({ name: project.name })}>
            <Icon name="more" />
          </IconButton>
        }
      >
        <MenuItem danger onSelect={onDelete}>
          <Icon name="close" size={16} /> {m.project_delete()}
        </MenuItem>
      </Menu>
    </li>
  )
}

function NewProject({ onClose, onMade }: { onClose: () => void; onMade: (name: string) => void }) {
  const client = useQueryClient()
  const [url, setUrl] = useState('')
  const [name, setName] = useState('')
  const [named, setNamed] = useState(false)
  const [sample, setSample] = useState(false)
  const make = useMutation({
    mutationFn: () => call(api.POST('/projects', { body: { name: name.trim(), ...(sample ? { template: 'sample' } : url.trim() && { git_url: url.trim() }) } })),
    onSuccess: (p) => {
      void client.invalidateQueries({ queryKey: queries.projects().queryKey })
      onClose()
      onMade(p.name)
    },
  })
  const fields = make.error instanceof ApiError ? make.error.fields : new Map<string, string>()
  return (
    <Dialog title={m.project_new()} onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(e) => {
          e.preventDefault()
          make.mutate()
        }}
      >
        <Field
          label={m.project_name()}
          hint={m.project_name_hint()}
          error={fields.get('name')}
          value={name}
          onChange={(e) => {
            setName(e.target.value)
            setNamed(e.target.value !== '')
          }}
          required
          autoFocus
          autoCapitalize="none"
          spellCheck={false}
        />
        <Field
          label={m.project_git()}
          hint={m.project_git_hint()}
          error={fields.get('git_url')}
          value={url}
          disabled={sample}
          placeholder="https://"
          inputMode="url"
          onChange={(e) => {
            setUrl(e.target.value)
            if (!named) setName(nameOf(e.target.value))
          }}
          spellCheck={false}
        />
        <label className="flex min-h-11 items-center gap-2.5 text-minor desk:min-h-6">
          <input
            type="checkbox"
            checked={sample}
            onChange={(e) => {
              setSample(e.target.checked)
              if (!named) setName(e.target.checked ? 'sample' : nameOf(url))
            }}
            className="size-4 accent-accent"
          />
          {m.project_sample()}
        </label>
        <FormFailure error={make.error} fields={['name', 'git_url']} />
        <Button type="submit" look="primary" busy={make.isPending}>
          {make.isPending ? (url.trim() ? m.project_cloning() : m.project_making()) : m.project_make()}
        </Button>
      </form>
    </Dialog>
  )
}

/** What a repository is called, from its address. */
export function nameOf(url: string): string {
  return /([^/:]+?)(?:\.git)?\/?$/.exec(url.trim())?.[1]?.replace(/[^A-Za-z0-9._-]/g, '-') ?? ''
}

function Remove({ name, onClose }: { name: string; onClose: () => void }) {
  const client = useQueryClient()
  const remove = useMutation({
    mutationFn: () => call(api.DELETE('/projects/{name}', { params: { path: { name } } })),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: queries.projects().queryKey })
      void client.invalidateQueries({ queryKey: queries.sessions().queryKey })
      onClose()
    },
  })
  return <Confirm title={m.project_delete_title({ name })} text={m.project_delete_text()} action={m.project_delete()} busy={remove.isPending} error={remove.error} onClose={onClose} onConfirm={() => remove.mutate()} />
}
