import { lazy, Suspense, useContext, useEffect, useMemo, useRef, useState, type CSSProperties, type KeyboardEvent } from 'react'
import type { Session } from '@/api/wire'
import { IconButton } from '@/components/Button'
import { Loading } from '@/components/Empty'
import { Icon } from '@/components/Icon'
import { PortalPlace } from '@/components/portal'
import { Sheet } from '@/components/Sheet'
import { Toasts } from '@/components/Toasts'
import { number } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import type { SessionView } from '@/stream/held'
import { Changes } from './Changes'
import { changesOf } from './changes'
import { clampWidth, useColumn, useWindowWidth } from './column'
import { Foot } from './Foot'
import { Separator } from './Separator'
import { tabName, workTabs, type WorkTab } from './tabs'
import { Tasks } from './Tasks'
import { atWork, tasksOf } from './tasks'
import type { WorkPlace } from './useWork'

const FilesPanel = lazy(() => import('@/modules/files/FilesPanel').then((f) => ({ default: f.FilesPanel })))
const SessionTerminals = lazy(() => import('./SessionTerminals'))

interface Props {
  id: string
  place: WorkPlace
  view: SessionView
  session: Session | undefined
  /** Shows the row of an event in the conversation. */
  onGo: (seq: number) => void
}

/** What a conversation works on, beside it or over it: changes, files, terminals, tasks. */
export function Work(props: Props) {
  const { place } = props
  if (!place.open) return null
  return place.wide ? (
    <Column {...props} />
  ) : (
    <Sheet label={m.work()} onClose={place.close}>
      <Toasts />
      <Panes {...props} />
    </Sheet>
  )
}

function Column(props: Props) {
  const column = useRef<HTMLElement>(null)
  const windowWidth = useWindowWidth()
  const width = clampWidth(useColumn().width, windowWidth)
  return (
    <aside ref={column} id="work" data-work="" aria-label={m.work()} className="relative flex min-h-0 w-(--work-width) shrink-0 flex-col border-l bg-page" style={{ '--work-width': `${width}px` } as CSSProperties}>
      <Separator column={column} width={width} windowWidth={windowWidth} />
      <Panes {...props} />
      <Foot view={props.view} session={props.session} full />
    </aside>
  )
}

/** The tabs, and what is behind them. Once looked at, files and terminals stay as they are until the work is closed. */
function Panes({ id, place, view, session, onGo }: Props) {
  const { tab } = place
  const changes = useMemo(() => changesOf(view.rows), [view.rows])
  const { agents, background } = useMemo(() => tasksOf(view.rows), [view.rows])
  const [seen, setSeen] = useState<ReadonlySet<WorkTab>>(new Set())
  // Chosen by hand a terminal takes the keyboard; found open it does not.
  const [chosen, setChosen] = useState<WorkTab | null>(null)
  if (!seen.has(tab)) setSeen(new Set([...seen, tab]))
  const figures: Record<WorkTab, number> = { changes: changes.length, files: 0, terminal: 0, tasks: view.todos.filter((t) => t.status !== 'completed').length + background.length + agents.filter(atWork).length }
  const sheet = useContext(PortalPlace)
  const go = (seq: number) => {
    // What is outside of a sheet takes the focus only once that is closed, and has given it back.
    sheet?.close()
    if (!place.wide) place.close()
    onGo(seq)
  }
  const project = session?.project
  const pane = (which: WorkTab) => {
    switch (which) {
      case 'changes':
        return <Changes id={id} view={view} project={project ?? ''} changes={changes} onGo={go} />
      case 'tasks':
        return <Tasks id={id} todos={view.todos} agents={agents} background={background} onGo={go} />
      case 'files':
        return project === undefined ? <Loading label={m.loading()} /> : <FilesPanel project={project} />
      case 'terminal':
        return project === undefined ? <Loading label={m.loading()} /> : <SessionTerminals project={project} focus={tab === 'terminal' && chosen === 'terminal'} />
    }
  }
  return (
    <>
      <Tabs
        tab={tab}
        figures={figures}
        onShow={(t) => {
          setChosen(t)
          place.show(t)
        }}
        onClose={place.close}
      />
      {workTabs.map((t) => (
        <div key={t} role="tabpanel" id={`work-${t}`} aria-labelledby={`work-tab-${t}`} hidden={t !== tab} className={t === tab ? 'flex min-h-0 flex-1 flex-col' : 'hidden'}>
          {(t === tab || seen.has(t)) && <Suspense fallback={<Loading label={m.loading()} />}>{pane(t)}</Suspense>}
        </div>
      ))}
    </>
  )
}

/** Keys move among the tabs and choose none: a terminal that is passed by is not begun. */
function Tabs({ tab, figures, onShow, onClose }: { tab: WorkTab; figures: Record<WorkTab, number>; onShow: (t: WorkTab) => void; onClose: () => void }) {
  const move = (e: KeyboardEvent<HTMLElement>) => {
    const tabs = [...e.currentTarget.querySelectorAll<HTMLElement>('[role=tab]')]
    const at = tabs.indexOf(e.target as HTMLElement)
    const to = e.key === 'ArrowRight' ? at + 1 : e.key === 'ArrowLeft' ? at - 1 : e.key === 'Home' ? 0 : e.key === 'End' ? -1 : undefined
    if (to === undefined || at < 0) return
    e.preventDefault()
    tabs.at(to % tabs.length)?.focus()
  }
  const list = useRef<HTMLDivElement>(null)
  const selected = () => list.current?.querySelector<HTMLElement>('[aria-selected=true]')
  useEffect(() => {
    selected()?.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  }, [tab])
  return (
    <div data-grip="" className="@container shrink-0 border-b **:touch-pan-x **:touch-pinch-zoom">
    <div className="flex items-stretch pe-1">
      <div ref={list} role="tablist" tabIndex={-1} aria-label={m.work()} onKeyDown={move} onFocus={(e) => e.target === list.current && selected()?.focus()} className="flex min-w-0 flex-1 overflow-x-auto [scrollbar-width:none]">
        {workTabs.map((t) => (
          <button
            key={t}
            type="button"
            role="tab"
            id={`work-tab-${t}`}
            aria-selected={t === tab}
            aria-controls={`work-${t}`}
            tabIndex={t === tab ? 0 : -1}
            onClick={() => onShow(t)}
            className="inline-flex min-h-11 min-w-11 shrink-0 grow items-center justify-center gap-1 px-1.5 text-small text-muted @xs:text-minor @sm:gap-1.5 -outline-offset-2 hover:text-content aria-selected:font-strong aria-selected:text-content aria-selected:shadow-[inset_0_-2px_0_var(--accent)] desk:min-h-10"
          >
            {tabName(t)}
            {figures[t] > 0 && <span className="rounded-full bg-sunken px-1 text-small @sm:px-1.5 font-normal tabular">{number(figures[t])}</span>}
          </button>
        ))}
      </div>
      <IconButton label={m.work_close()} onClick={onClose} className="self-center">
        <Icon name="close" size={16} />
      </IconButton>
    </div>
    </div>
  )
}
