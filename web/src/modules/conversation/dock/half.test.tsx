import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { renderToStaticMarkup } from 'react-dom/server'
import { beforeEach, expect, it } from 'vitest'
import type { Request } from '@/conversation/model'
import { FakeStorage } from '@/stream/fake'
import type { CardProps } from './Dock'
import { halfOf, Halves, halves } from './half'
import { keepPlanning } from './plan'
import { PermissionCard } from './PermissionCard'
import { PlanCard } from './PlanCard'
import { QuestionCard } from './QuestionCard'

beforeEach(() => halves.clear())

it('keeps what was begun over a reload, of each request its own, until it is forgotten', () => {
  const storage = new FakeStorage()
  const before = new Halves(storage)
  before.set(halfOf('s', 'r1'), 'word', 'rather not')
  before.set(halfOf('s', 'r1'), 'denying', true)
  before.set(halfOf('s', 'r2'), 'word', 'nor this')
  const after = new Halves(storage)
  expect([after.get('s r1', 'word'), after.get('s r1', 'denying'), after.get('s r2', 'word'), after.get('t r1', 'word')]).toEqual(['rather not', true, 'nor this', undefined])
  after.forget('s r1')
  expect(new Halves(storage).get('s r1', 'word')).toBeUndefined()
  after.clear()
  expect(storage.items.size).toBe(0)
})

it('keeps the last, and all where the browser keeps nothing', () => {
  const refuses = () => {
    throw new Error('no')
  }
  const h = new Halves({ getItem: () => 'nonsense', setItem: refuses, removeItem: refuses })
  for (let i = 0; i < 60; i++) h.set(`s r${i}`, 'word', 'x')
  expect([h.get('s r0', 'word'), h.get('s r59', 'word')]).toEqual([undefined, 'x'])
  h.clear()
})

const card = (id: string, toolName: string, input: Request['input']): CardProps => ({
  half: halfOf('s', id),
  request: { id, seq: 1, toolName, displayName: toolName, input, suggestions: [] },
  cwd: null,
  keys: false,
  busy: false,
  answer: () => {},
})

it('is there again when its card is', () => {
  const question = card('q', 'AskUserQuestion', { questions: [{ question: 'Which?', header: 'h', multiSelect: true, options: [{ label: 'This', description: '' }, { label: 'That', description: '' }] }] })
  expect(renderToStaticMarkup(<QuestionCard {...question} />)).not.toMatch(/checked=""/)
  halves.set('s q', 'picked', [['That']])
  halves.set('s q', 'own', ['and more'])
  const answered = renderToStaticMarkup(<QuestionCard {...question} />)
  expect(answered.match(/checked=""/g)).toHaveLength(1)
  expect(answered).toContain('and more')

  halves.set('s b', 'denying', true)
  halves.set('s b', 'word', 'use make')
  const denied = renderToStaticMarkup(<QueryClientProvider client={new QueryClient()}><PermissionCard {...card('b', 'Bash', { command: 'go test' })} /></QueryClientProvider>)
  expect(denied).toContain('use make')
  expect(denied).not.toContain('autofocus') // it takes the keyboard from nobody who comes back

  halves.set('s p', 'plan', 'my plan')
  expect(renderToStaticMarkup(<PlanCard {...card('p', 'ExitPlanMode', { plan: 'the plan' })} />)).toContain('my plan')
})

it('a plan that was changed goes along when it is kept on', () => {
  expect(keepPlanning('Simpler.', undefined)).toBe('Simpler.')
  expect(keepPlanning('Simpler.', '1. less')).toMatch(/^Simpler\.\n\n.+\n\n1\. less$/)
})
