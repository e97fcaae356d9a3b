import { renderToStaticMarkup } from 'react-dom/server'
import { expect, it } from 'vitest'
import type { Todo } from '@/conversation/model'
import { TodoBar } from './Todos'

const todos = [
  { id: '1', text: 'Read', status: 'completed' },
  { id: '2', text: 'Write', status: 'in_progress' },
] as Todo[]
const bar = (work: Parameters<typeof TodoBar>[0]['work'], list = todos) => renderToStaticMarkup(<TodoBar todos={list} work={work} />)

it('shows what is to be done wherever the work beside it shows something else', () => {
  expect(bar({ wide: true, open: true, tab: 'changes' })).toContain('Write')
  expect(bar({ wide: true, open: false, tab: 'tasks' })).toContain('Write')
  expect(bar({ wide: false, open: true, tab: 'tasks' })).toContain('Write')
  expect(bar({ wide: true, open: true, tab: 'tasks' })).toBe('')
  expect(bar({ wide: true, open: false, tab: 'changes' }, todos.slice(0, 1))).toBe('')
})
