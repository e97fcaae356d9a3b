import { Icon } from '@/components/Icon'
import type { Todo } from '@/conversation/model'
import { number } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { TodoLine } from './tools/ToolBody'
import type { WorkPlace } from './work/useWork'

/** The list of what is to be done, in one line above the composer, unless the work beside it shows that; open, the whole of it. */
export function TodoBar({ todos, work }: { todos: readonly Todo[]; work: Pick<WorkPlace, 'wide' | 'open' | 'tab'> }) {
  const done = todos.filter((t) => t.status === 'completed').length
  if (todos.length === 0 || done === todos.length || (work.wide && work.open && work.tab === 'tasks')) return null
  const now = todos.find((t) => t.status === 'in_progress') ?? todos.find((t) => t.status === 'pending')
  return (
    <details className="group mx-auto w-full max-w-[53rem] px-3 pt-2 desk:px-6">
      <summary className="flex min-h-11 cursor-pointer list-none items-center gap-2 rounded-control border px-3 text-minor hover:bg-hover desk:min-h-9">
        <Icon name="list" size={15} className="text-accent" />
        <span className="shrink-0 text-muted tabular">{m.todo_progress({ done: number(done), all: number(todos.length) })}</span>
        <span className="min-w-0 flex-1 truncate">{now?.text}</span>
        <Icon name="chevron" size={14} className="text-muted group-open:rotate-180" />
      </summary>
      <ul className="scroller max-h-[30dvh] px-3 py-2 text-minor">
        {todos.map((t) => (
          <TodoLine key={t.id} text={t.text} status={t.status} />
        ))}
      </ul>
    </details>
  )
}
