import { expect, it } from 'vitest'
import type { Session } from '@/api/wire'
import { fixture, play } from '@/conversation/fixture'
import type { SessionView } from '@/stream/held'
import { contextOf, effortChoices, modelChoices, modeChoices, shortModel } from './pickers'

const view = (name: string) => ({ ...play(fixture(name)).s, outgoing: [], answering: new Set<string>(), problem: null, stopUnsure: false, opened: true, more: false, first: 1, reading: false, asOf: null }) as SessionView

it('names models as people do', () => {
  expect(shortModel('claude-opus-5-5')).toBe('Opus 5.5')
  expect(shortModel('claude-sonnet-4-20250514')).toBe('Sonnet 4')
  expect(shortModel('my-model')).toBe('my-model')
})

it('offers the models of the greeting, and keeps one that it does not list', () => {
  const v = view('03-initialize-first')
  expect(modelChoices(v, undefined)).toMatchObject({ value: 'default', label: 'Opus 5.5' })
  expect(modelChoices(v, { model: 'sonnet' } as Session)).toMatchObject({ value: 'sonnet', label: 'Sonnet' })
  expect(modelChoices(v, { model: 'mine' } as Session).choices[0]).toMatchObject({ value: 'mine' })
})

it('knows the choice by the model that it led to, once the session has answered with it', () => {
  const v = view('03-initialize-first')
  const offered = modelChoices(v, undefined).choices
  const led = v.models[0]!.resolved!
  const answered = modelChoices(v, { model: led } as Session)
  expect(answered).toMatchObject({ value: 'default', label: 'Opus 5.5', choices: offered })
  expect(effortChoices(v, answered.value, 'default').length).toBeGreaterThan(0)
})

it('offers a rare mode only while it is on', () => {
  expect(modeChoices('default').map((c) => c.value)).toEqual(['default', 'acceptEdits', 'plan'])
  expect(modeChoices('bypassPermissions').map((c) => c.value)).toContain('bypassPermissions')
})

it('offers the efforts that the model has, and keeps one that it lacks while that is on', () => {
  const v = view('03-initialize-first')
  expect(effortChoices(v, 'opus', 'default').map((c) => c.value)).toEqual(['default', 'low', 'medium', 'high', 'xhigh', 'max'])
  const models = [
    { ...v.models[0]!, value: 'small', efforts: ['low', 'high'] },
    { ...v.models[0]!, value: 'plain', efforts: [] },
  ]
  expect(effortChoices({ ...v, models }, 'small', 'low').map((c) => c.value)).toEqual(['default', 'low', 'high'])
  expect(effortChoices({ ...v, models }, 'small', 'max').map((c) => c.value)).toEqual(['default', 'low', 'high', 'max'])
  expect(effortChoices({ ...v, models }, 'plain', 'default')).toEqual([])
  expect(effortChoices({ ...v, models }, 'plain', 'max').map((c) => c.value)).toEqual(['default', 'max'])
  expect(effortChoices(v, 'of my own', 'default')).toEqual([])
})

it('counts what the context holds', () => {
  expect(contextOf(view('01-plain-turn'))).toEqual({ tokens: 13412, share: 13412 / 1_000_000 })
})
