import { expect, it } from 'vitest'
import { answersOf, previewedOf, questionsOf, suggestionText } from './suggestions'
import { fixture, play } from '@/conversation/fixture'

const asked = (name: string) => play(fixture(name), (e) => e.type === 'control_request').s.requests[0]!

it('says what each suggestion allows, and where', () => {
  expect(asked('04b-permission-always').suggestions.map(suggestionText)).toEqual([
    'Always allow touch always.txt in this project',
    'Allow, and the folder /home/alice/projects/demo in this session',
    'Allow, and switch to “Accepts edits” in this session',
  ])
})

it('joins answers as the CLI reads them', () => {
  const questions = questionsOf(asked('05-ask-user-question').input)
  expect(answersOf(questions, [new Set(['SQLite']), new Set(['Traces', 'Metrics'])], ['', ' and logs '])).toEqual({
    'Which store?': 'SQLite',
    'Which extras?': 'Metrics, Traces, and logs',
  })
})

it('shows the preview of what is looked at, of what was picked last, or the first', () => {
  const [store, extras] = questionsOf(asked('05-ask-user-question').input)
  expect(previewedOf(store!, undefined, new Set())).toBe('SQLite')
  expect(previewedOf(store!, 'Postgres', new Set(['SQLite']))).toBe('Postgres')
  expect(previewedOf(store!, undefined, new Set(['SQLite', 'Postgres']))).toBe('Postgres')
  expect(previewedOf(extras!, 'Traces', new Set())).toBeUndefined()
})
