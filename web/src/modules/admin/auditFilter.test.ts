import { expect, it } from 'vitest'
import { choiceOf, filterOf } from './auditFilter'

it('takes from an address what is a filter, and nothing else', () => {
  expect(filterOf({ by: 3, did: 'user.*', to: 'user-7', from: '2026-02-28', until: '2026-03-01' })).toEqual({ by: 3, did: 'user.*', to: 'user-7', from: '2026-02-28', until: '2026-03-01' })
  expect(filterOf({ by: '3', did: '', to: 7, from: 'yesterday', until: '2026-13-40', more: 1 })).toEqual({})
  expect(filterOf({ by: -1, did: 'x'.repeat(200) })).toEqual({ did: 'x'.repeat(100) })
})

it('asks for whole days as they are here, the last one with all of its hours', () => {
  const asked = choiceOf({ by: 3, did: 'user.*', to: 'user-7', from: '2026-02-27', until: '2026-02-28' })
  expect(asked).toEqual({ actor_id: 3, action: 'user.*', target: 'user-7', since: new Date(2026, 1, 27).toISOString(), before: new Date(2026, 2, 1).toISOString() })
  expect(choiceOf(filterOf({ by: 0 }))).toEqual({ actor_id: 0 })
  expect(choiceOf({})).toEqual({})
})
