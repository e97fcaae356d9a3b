import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import type { AuditEntry } from '@/api/wire'
import { actionGroups, actionName, detailsOf, saidOf, targetName } from './auditWords'

const entry = (o: Partial<AuditEntry>): AuditEntry => ({ id: 1, at: '2026-03-01T12:00:00Z', actor_id: 1, action: 'login', target: '', address: '', detail: {}, ...o })
const name = (id: number) => ['nobody', 'ana', 'bo'][id] ?? `user-${id}`

it('has words for all that the server notes, to read and to choose', () => {
  const api = new URL('../../../../internal/api/', import.meta.url)
  const go = readdirSync(api).filter((f) => f.startsWith('routes_') && f.endsWith('.go')).map((f) => readFileSync(new URL(f, api), 'utf8')).join('\n')
  const noted = [...go.matchAll(/\.(?:note\(ctx|welcome\(ctx, u), "([\w.]+)"/g)].map((x) => x[1]!)
  expect(noted).toContain('login.fail')
  expect(noted).toContain('setup')
  const offered = actionGroups().flatMap((g) => g.actions)
  for (const action of noted) {
    expect.soft(actionName(action), action).not.toBe(action)
    expect.soft(offered).toContain(action)
  }
  expect(offered.filter((a) => !a.endsWith('*') && !noted.includes(a))).toEqual([])
})

it('says to whom or what, unless that is who did it', () => {
  const did = actionName('user.quota')
  expect(saidOf(entry({ action: 'user.quota', target: 'user-2' }), name)).toMatch(new RegExp(`^${did}.+bo$`))
  expect(saidOf(entry({ action: 'user.quota', target: 'user-1' }), name)).toBe(did)
  expect(saidOf(entry({ action: 'user.delete', target: 'user-9', detail: { username: 'eve' } }), name)).toMatch(/eve$/)
  expect(saidOf(entry({ action: 'token.create', target: 'tok_1', detail: { name: 'nightly' } }), name)).toMatch(/nightly$/)
  expect(saidOf(entry({ action: 'token.delete', target: 'tok_1' }), name)).toBe(actionName('token.delete'))
  expect(saidOf(entry({ action: 'desk.polish', target: 'desk-4' }), name)).toMatch(/^desk\.polish.+desk-4$/)
  expect(targetName('user-2', name)).toBe('bo')
})

it('tells a new password from any other change', () => {
  const change = (password_changed: boolean) => saidOf(entry({ action: 'user.change', target: 'user-2', detail: { password_changed } }), name)
  expect(change(true)).not.toBe(change(false))
})

it('leaves out no detail: what it has no words for stays as it is', () => {
  const values = (detail: Record<string, unknown>) => detailsOf(entry({ detail })).map((d) => d.value)
  expect(values({ with: 'wax', twice: true, ended: 3, nested: { a: [1] } })).toEqual(['wax', 'true', '3', '{"a":[1]}'])
  expect(values({ tokens_revoked: true })).not.toEqual(['true'])
  expect(values({ too_long: 5000 })).toEqual(['5000'])
  expect(values({ quota: 'not a quota', role: 'king' })).toEqual(['not a quota', 'king'])
  expect(values({ password: '[redacted]' })).toEqual([])
})
