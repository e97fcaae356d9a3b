import { expect, it } from 'vitest'
import { fixture, play } from '@/conversation/fixture'
import { atWork, tasksOf } from './tasks'

it('tells of a subagent while it runs and after it', () => {
  const events = fixture('12a-subagent')
  const [running] = tasksOf(play(events, (e) => e.subtype === 'task_progress').s.rows).agents
  expect([running!.status, atWork(running!), running!.task!.toolUses, running!.task!.durationMs]).toEqual(['running', true, 1, 664])
  const [done] = tasksOf(play(events).s.rows).agents
  expect([done!.status, atWork(done!), done!.kind, done!.task!.tokens, done!.task!.durationMs]).toEqual(['done', false, 'general-purpose', 8869, 4940])
})

it('tells of commands in the background only while they run', () => {
  const events = fixture('12b-background-bash')
  const during = tasksOf(play(events, (e) => e.subtype === 'task_started' && e.is_backgrounded).s.rows)
  expect(during.agents).toEqual([])
  expect(during.background).toHaveLength(1)
  expect(during.background[0]!.command).not.toBe('')
  expect(tasksOf(play(events).s.rows).background).toEqual([])
})
