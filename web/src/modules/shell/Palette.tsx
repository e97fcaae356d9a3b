import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { useDeferredValue, useEffect, useId, useLayoutEffect, useRef, useState, type KeyboardEvent } from 'react'
import { queries } from '@/api/queries'
import type { Me, Session } from '@/api/wire'
import { Icon, type IconName } from '@/components/Icon'
import { Lamp } from '@/components/Lamp'
import { toast } from '@/components/Toasts'
import { useBack } from '@/components/useBack'
import { languages, useLocale, type Locale } from '@/i18n/locale'
import { saying } from '@/i18n/problem'
import { m } from '@/i18n/paraglide/messages.js'
import { useChooseLanguage } from '@/modules/account/useChangeMe'
import { grouped, lightOfState } from '@/modules/sessions/order'
import { exportUrl, useSessionActions } from '@/modules/sessions/SessionActions'
import { titleOf } from '@/modules/sessions/SessionList'
import { lightName } from '@/modules/sessions/words'
import { useBeginTerminal } from '@/modules/terminal/useBeginTerminal'
import { stream } from '@/stream/page'
import { setTheme, themeName, themes, useTheme } from '@/theme/theme'
import { found, type Choice } from './choices'

interface Entry extends Choice {
  mark: IconName | { state: string }
  act: () => void
}

interface Calls {
  onNew: (project?: string) => void
  onKeys: () => void
  onSignOut: () => void
}

/** Finds all: sessions, places, projects, files, and what can be done. It opens with Ctrl K. */
export function Palette({ me, onClose, ...calls }: Calls & { me: Me; onClose: () => void }) {
  const [typed, setTyped] = useState('')
  const [chosen, setChosen] = useState(0)
  const dialog = useRef<HTMLDialogElement>(null)
  const id = useId()
  const entries = useEntries(me, typed, calls)
  const current = Math.min(chosen, entries.length - 1)
  useBack(onClose)
  // Closed before it is taken out of the page, or the browser has nobody to give the focus back to.
  useLayoutEffect(() => {
    const el = dialog.current
    el?.showModal()
    return () => el?.close()
  }, [])
  useEffect(() => {
    document.getElementById(`${id}-${current}`)?.scrollIntoView({ block: 'nearest' })
  }, [id, current])

  const take = (e: Entry | undefined) => {
    if (!e) return
    onClose()
    e.act()
  }
  const onKey = (e: KeyboardEvent) => {
    if (e.nativeEvent.isComposing || e.keyCode === 229) return
    if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
      e.preventDefault()
      if (entries.length > 0) setChosen((current + (e.key === 'ArrowDown' ? 1 : entries.length - 1)) % entries.length)
    } else if (e.key === 'Enter') {
      e.preventDefault()
      take(entries[current])
    }
  }
  return (
    <dialog
      ref={dialog}
      aria-label={m.palette()}
      onCancel={(e) => {
        e.preventDefault()
        onClose()
      }}
      onClick={(e) => {
        if (e.target === dialog.current) onClose()
      }}
      className="mt-[max(1rem,12dvh)] w-[calc(100%-2rem)] max-w-xl animate-rise overflow-hidden rounded-card border bg-surface p-0 shadow-float"
    >
      <input
        role="combobox"
        aria-label={m.palette()}
        aria-expanded={entries.length > 0}
        aria-controls={id}
        aria-activedescendant={entries.length > 0 ? `${id}-${current}` : undefined}
        autoFocus
        autoComplete="off"
        spellCheck={false}
        maxLength={200}
        value={typed}
        placeholder={m.palette_hint()}
        onChange={(e) => {
          setTyped(e.target.value)
          setChosen(0)
        }}
        onKeyDown={onKey}
        className="min-h-13 w-full border-b bg-transparent px-4 text-[1rem] -outline-offset-2 outline-none placeholder:text-muted"
      />
      <div id={id} role="listbox" aria-label={m.palette()} className="scroller max-h-[60dvh] p-1.5">
        {entries.map((e, i) => (
          <div
            key={e.key}
            id={`${id}-${i}`}
            role="option"
            tabIndex={-1}
            aria-selected={i === current}
            onClick={() => take(e)}
            onPointerMove={() => i !== current && setChosen(i)}
            className="flex min-h-11 cursor-pointer items-center gap-2.5 rounded-control px-2.5 text-minor aria-selected:bg-sunken desk:min-h-9"
          >
            <span className="shrink-0 text-muted">
              {typeof e.mark === 'string' ? <Icon name={e.mark} size={17} /> : <Lamp light={lightOfState(e.mark.state)} label={lightName(lightOfState(e.mark.state))} />}
            </span>
            <span className="min-w-0 truncate">{e.text}</span>
            {e.note && <span className="ml-auto min-w-0 shrink-[2] truncate text-small text-muted">{e.note}</span>}
          </div>
        ))}
      </div>
      <p role="status" className={entries.length === 0 ? 'px-4 pb-4 text-minor text-muted' : 'sr-only'}>
        {entries.length === 0 ? m.palette_nothing() : ''}
      </p>
    </dialog>
  )
}

/** All there is to choose, cut to what was typed. */
function useEntries(me: Me, typed: string, { onNew, onKeys, onSignOut }: Calls): Entry[] {
  const navigate = useNavigate()
  const { data: sessions = [] } = useQuery(queries.sessions())
  const { data: projects = [] } = useQuery(queries.projects())
  const shown = useParams({ strict: false }).sessionId
  const here = sessions.find((s) => s.id === shown)
  const sessionActions = useSessionActions()
  const beginTerminal = useBeginTerminal(
    (terminalId) => void navigate({ to: '/terminal/$terminalId', params: { terminalId } }),
    (e) => toast(saying(e)),
  )
  const theme = useTheme()
  const locale = useLocale()
  const chooseLanguage = useChooseLanguage()
  const q = useDeferredValue(typed.trim())
  const { data: files } = useQuery({ ...queries.filesNamed(q, 'projects'), enabled: q.length >= 2 })

  const fixed: Entry[] = [
    { key: 'new', group: 'do', text: m.session_new(), mark: 'plus', act: () => onNew() },
    ...(here ? ofSession(here, sessionActions) : []),
    { key: 'project', group: 'do', text: m.project_new(), mark: 'folderNew', act: () => void navigate({ to: '/projects', search: { add: true } }) },
    { key: 'terminal-new', group: 'do', text: m.terminal_new(), note: here?.project, mark: 'terminal', act: () => beginTerminal.mutate(here?.project ?? '') },
    ...themes.filter((t) => t !== theme).map((t): Entry => ({ key: `theme:${t}`, group: 'do', text: m.palette_theme({ name: themeName(t) }), mark: 'dash', act: () => setTheme(t) })),
    ...(Object.keys(languages) as Locale[]).filter((l) => l !== locale).map((l): Entry => ({ key: `language:${l}`, group: 'do', text: m.palette_language({ name: languages[l] }), mark: 'dash', act: () => chooseLanguage(l) })),
    { key: 'out', group: 'do', text: m.sign_out(), mark: 'out', act: onSignOut },
    ...grouped(sessions).flatMap((g) =>
      g.sessions.map(
        (s): Entry => ({ key: `s:${s.id}`, group: 'sessions', text: titleOf(s), note: s.project, mark: { state: s.state }, act: () => void navigate({ to: '/s/$sessionId', params: { sessionId: s.id } }) }),
      ),
    ),
    { key: 'home', group: 'places', text: m.home(), mark: 'home', act: () => void navigate({ to: '/' }) },
    { key: 'files', group: 'places', text: m.files(), mark: 'folder', act: () => void navigate({ to: '/files/$', params: { _splat: '' } }) },
    { key: 'terminal', group: 'places', text: m.terminal(), mark: 'terminal', act: () => void navigate({ to: '/terminal' }) },
    { key: 'projects', group: 'places', text: m.projects(), mark: 'list', act: () => void navigate({ to: '/projects' }) },
    { key: 'snapshots', group: 'places', text: m.snapshots(), mark: 'clock', act: () => void navigate({ to: '/snapshots' }) },
    { key: 'account', group: 'places', text: m.account(), mark: 'user', act: () => void navigate({ to: '/account' }) },
    ...(me.role !== 'user' ? ([{ key: 'invitations', group: 'places', text: m.invitations(), mark: 'users', act: () => void navigate({ to: '/admin/users/invitations' }) }] satisfies Entry[]) : []),
    ...(me.role === 'admin'
      ? ([
          { key: 'users', group: 'places', text: m.users(), mark: 'users', act: () => void navigate({ to: '/admin/users' }) },
          { key: 'instances', group: 'places', text: m.instances(), mark: 'box', act: () => void navigate({ to: '/admin/instances' }) },
          { key: 'server', group: 'places', text: m.server(), mark: 'pulse', act: () => void navigate({ to: '/admin/server' }) },
          { key: 'audit', group: 'places', text: m.audit(), mark: 'record', act: () => void navigate({ to: '/admin/audit' }) },
        ] satisfies Entry[])
      : []),
    { key: 'keys', group: 'places', text: m.keys_title(), note: '?', mark: 'dash', act: onKeys },
    ...projects.map((p): Entry => ({ key: `p:${p.name}`, group: 'projects', text: p.name, note: m.palette_project(), mark: 'folder', act: () => onNew(p.name) })),
  ]
  const entries = found(fixed, typed)
  // The server has found these by another rule, so they are not judged again.
  if (q.length >= 2 && files)
    for (const f of files.items.slice(0, 6)) entries.push({ key: `f:${f.path}`, group: 'files', text: f.name, note: f.path, mark: 'file', act: () => void navigate({ to: '/files/$', params: { _splat: f.path } }) })
  if (typed.trim() !== '') entries.push({ key: 'search', group: 'do', text: m.palette_search({ words: typed.trim() }), mark: 'search', act: () => void navigate({ to: '/search', search: { q: typed.trim() } }) })
  return entries
}

/** What can be done to the conversation that is looked at. */
function ofSession(s: Session, { rename, fork }: ReturnType<typeof useSessionActions>): Entry[] {
  const note = titleOf(s)
  const entry = (key: string, text: string, mark: IconName, act: () => void): Entry => ({ key: `session:${key}`, group: 'do', text, note, mark, act })
  return [
    ...(['running', 'waiting', 'queued'].includes(s.state) ? [entry('stop', m.stop(), 'stop', () => stream.interrupt(s.id))] : []),
    entry('rename', m.session_rename(), 'pen', () => rename(s)),
    entry('fork', m.session_fork(), 'branch', () => fork(s.id)),
    entry('markdown', m.session_export(), 'file', () => download(exportUrl(s.id, 'markdown'))),
    entry('jsonl', m.session_export_jsonl(), 'list', () => download(exportUrl(s.id, 'jsonl'))),
  ]
}

function download(href: string): void {
  const a = document.createElement('a')
  a.href = href
  a.download = ''
  a.click()
}
