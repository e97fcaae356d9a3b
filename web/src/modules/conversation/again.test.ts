import { expect, it } from 'vitest'
import type { Session } from '@/api/wire'
import type { PromptRow } from '@/conversation/model'
import type { TimelineRow } from '@/conversation/rows'
import type { SessionView } from '@/stream/held'
import { alike, canBeSent, failedPrompt } from './again'

const prompt = { kind: 'prompt', key: 'p', blocks: [{ type: 'text', text: 'hello' }] } as unknown as PromptRow
const error = { kind: 'error', key: 'e' } as TimelineRow
const text = { kind: 'text', key: 't' } as TimelineRow
const idle: Pick<SessionView, 'queue' | 'outgoing' | 'activity' | 'state'> = { queue: [], outgoing: [], activity: 'none', state: 'ready' }

it('is the prompt before an error that nothing came after', () => {
  expect(failedPrompt({ ...idle, rows: [text, prompt, text, error] })).toBe(prompt)
  expect(failedPrompt({ ...idle, rows: [prompt, error, text] })).toBeNull()
  expect(failedPrompt({ ...idle, rows: [error] })).toBeNull()
})

it('waits while something runs or is on its way, and offers nothing that cannot be sent as it was', () => {
  const rows = [prompt, error]
  expect(failedPrompt({ ...idle, rows, activity: 'requesting' })).toBeNull()
  expect(failedPrompt({ ...idle, rows, state: 'running' })).toBeNull()
  expect(failedPrompt({ ...idle, rows, state: 'starting' })).toBeNull() // it is about to go on by itself
  expect(failedPrompt({ ...idle, rows, queue: [prompt] })).toBeNull()
  expect(failedPrompt({ ...idle, rows, outgoing: [prompt] as never })).toBeNull()
  expect(failedPrompt({ ...idle, rows: [{ ...prompt, blocks: [{ type: 'document', title: 'd' }] } as unknown as PromptRow, error] })).toBeNull()
})

it('can be sent with its pictures, and not without a part of it', () => {
  const picture = { type: 'image' as const, mediaType: 'image/png', data: 'x' }
  expect(canBeSent({ blocks: [picture, { type: 'text', text: 'what is this' }] })).toBe(true)
  expect(canBeSent({ blocks: [picture] })).toBe(true)
  expect(canBeSent({ blocks: [{ ...picture, data: undefined }, { type: 'text', text: 'what is this' }] })).toBe(false)
  expect(canBeSent({ blocks: [{ type: 'document', title: 'd' }] })).toBe(false)
  expect(canBeSent({ blocks: [] })).toBe(false)
})

it('begins anew with the model, mode and effort that are on', () => {
  const session = { id: 's', project: 'thesis', model: 'opus', permission_mode: 'default', effort: 'high' } as Session
  expect(alike(session, 'plan')).toEqual({ project: 'thesis', model: 'opus', permission_mode: 'plan', effort: 'high' })
  expect(alike({ ...session, model: '', effort: 'default' }, null)).toEqual({ project: 'thesis', permission_mode: 'default' })
})
