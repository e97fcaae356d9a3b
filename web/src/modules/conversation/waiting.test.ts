import { expect, it } from 'vitest'
import type { PromptRow, PromptStatus } from '@/conversation/model'
import type { SessionView } from '@/stream/held'
import { waitingOf } from './Waiting'

const prompt = (status: PromptStatus) => ({ kind: 'prompt', key: status, id: status, status, blocks: [] }) as unknown as PromptRow
const queue = (['sending', 'sent', 'queued', 'failed'] as const).map(prompt)
const waiting = (activity: string, state: string) => waitingOf({ activity, state, queue } as unknown as SessionView).map((p) => p.status)

it('does not count what was given up as waiting', () => {
  expect(waiting('tool', 'running')).toEqual(['sending', 'sent', 'queued'])
  expect(waiting('none', 'queued')).toEqual(['sending', 'sent', 'queued'])
  expect(waiting('none', 'ready')).toEqual(['queued'])
})
