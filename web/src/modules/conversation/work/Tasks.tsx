import type { ReactNode } from 'react'
import { IconButton } from '@/components/Button'
import { Empty } from '@/components/Empty'
import { Icon } from '@/components/Icon'
import type { Todo, ToolStatus } from '@/conversation/model'
import { compact, duration, number } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { SessionId } from '../SessionId'
import { firstLine } from '../tools/face'
import { StopTask, TodoLine } from '../tools/ToolBody'
import { marks, statusName } from '../tools/ToolCard'
import { atWork, type AgentRun, type BackgroundRun } from './tasks'

interface Props {
  id: string
  todos: readonly Todo[]
  agents: readonly AgentRun[]
  background: readonly BackgroundRun[]
  onGo: (seq: number) => void
}

/** What is to be done, and who is at it. */
export function Tasks({ id, todos, agents, background, onGo }: Props) {
  const done = todos.filter((t) => t.status === 'completed').length
  return (
    <div className="scroller min-h-0 flex-1">
      {todos.length + agents.length + background.length === 0 && (
        <Empty mark={<Icon name="list" size={28} className="text-muted" />} title={m.work_no_tasks()}>
          {m.work_no_tasks_text()}
        </Empty>
      )}
      <SessionId value={id}>
        {todos.length > 0 && (
          <Part title={m.work_todos()} note={m.todo_progress({ done: number(done), all: number(todos.length) })}>
            {todos.map((t) => (
              <TodoLine key={t.id} text={t.text} status={t.status} />
            ))}
          </Part>
        )}
        {background.length > 0 && (
          <Part title={m.foot_background()}>
            {background.map((b) => (
              <Line key={b.key} name={b.task.progress || firstLine(b.command)} status="background" onGo={() => onGo(b.seq)} stop={b.task.id} />
            ))}
          </Part>
        )}
        {agents.length > 0 && (
          <Part title={m.work_agents()}>
            {/* Those at work first, then the last sent. */}
            {[...agents.filter(atWork), ...agents.filter((a) => !atWork(a)).reverse()].map((a) => (
              <Line key={a.key} name={a.name} status={a.status} notes={notesOf(a)} onGo={() => onGo(a.seq)} stop={a.task?.running && a.task.background ? a.task.id : undefined} />
            ))}
          </Part>
        )}
      </SessionId>
    </div>
  )
}

function notesOf({ kind, task, status }: AgentRun): string[] {
  return [
    kind,
    task?.toolUses ? m.tool_uses({ count: number(task.toolUses) }) : '',
    task?.tokens ? m.tokens({ count: compact(task.tokens) }) : '',
    task?.durationMs ? duration(task.durationMs) : '',
    task?.running && status !== 'stopped' ? task.progress : '',
  ].filter((n) => n !== '')
}

function Part({ title, note, children }: { title: string; note?: string; children: ReactNode }) {
  return (
    <section className="border-b px-4 py-3 last:border-b-0" aria-label={title}>
      <h3 className="flex items-baseline gap-2 pb-1 text-small font-strong text-muted">
        <span className="flex-1">{title}</span>
        {note && <span className="font-normal tabular">{note}</span>}
      </h3>
      <ul className="text-minor">{children}</ul>
    </section>
  )
}

function Line({ name, status, notes = [], stop, onGo }: { name: string; status: ToolStatus; notes?: string[]; stop?: string; onGo: () => void }) {
  const mark = marks[status]
  return (
    <li className="flex items-center gap-2 py-1">
      <span className="grid min-w-0 flex-1 grid-cols-[auto_minmax(0,1fr)] gap-x-2">
        <span className={`pt-0.5 ${mark.tone} ${mark.glow ? 'animate-glow' : ''}`}>
          <Icon name={mark.icon} size={15} />
        </span>
        <span className="[overflow-wrap:anywhere]">{name}</span>
        <span className="col-start-2 text-small text-muted tabular">{[statusName(status), ...notes].join(' · ')}</span>
      </span>
      {stop !== undefined && <StopTask id={stop} />}
      <IconButton label={m.work_in_conversation()} onClick={onGo}>
        <Icon name="chat" size={15} />
      </IconButton>
    </li>
  )
}
