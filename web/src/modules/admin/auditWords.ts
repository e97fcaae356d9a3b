import type { AuditEntry, Quota, Role } from '@/api/wire'
import { number } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { problemTitle } from '@/i18n/problem'
import { budgetsOf, limitsOf } from './limits'
import { roleName } from './words'

/** What was done, in words; an action that is not known keeps its name. */
export function actionName(action: string): string {
  switch (action) {
    case 'setup':
      return m.audit_setup()
    case 'register':
      return m.audit_register()
    case 'login':
      return m.audit_login()
    case 'login.fail':
      return m.audit_login_fail()
    case 'logout':
      return m.audit_logout()
    case 'me.password':
      return m.audit_me_password()
    case 'sign_in.end':
      return m.audit_sign_in_end()
    case 'sign_in.end_others':
      return m.audit_sign_in_end_others()
    case 'token.create':
      return m.audit_token_create()
    case 'token.delete':
      return m.audit_token_delete()
    case 'user.create':
      return m.audit_user_create()
    case 'user.change':
      return m.audit_user_change()
    case 'user.quota':
      return m.audit_user_quota()
    case 'user.delete':
      return m.audit_user_delete()
    case 'invitation.create':
      return m.audit_invitation_create()
    case 'invitation.revoke':
      return m.audit_invitation_revoke()
    case 'instance.restart':
      return m.audit_instance_restart()
    case 'instance.destroy':
      return m.audit_instance_destroy()
    case 'snapshot.restore':
      return m.audit_snapshot_restore()
    default:
      return action
  }
}

/** The actions to choose from, as the server names them; one with a * is all that begin so. */
export const actionGroups = (): readonly { name: string; actions: readonly string[] }[] => [
  { name: m.audit_sign_ins(), actions: ['login', 'login.fail', 'logout', 'sign_in.end', 'sign_in.end_others', 'me.password', 'setup', 'register'] },
  { name: m.users(), actions: ['user.*', 'user.create', 'user.change', 'user.quota', 'user.delete'] },
  { name: m.invitations(), actions: ['invitation.*', 'invitation.create', 'invitation.revoke'] },
  { name: m.tokens_title(), actions: ['token.*', 'token.create', 'token.delete'] },
  { name: m.instances(), actions: ['instance.*', 'instance.restart', 'instance.destroy'] },
  { name: m.snapshots(), actions: ['snapshot.restore'] },
]

type Name = (userId: number) => string

/** The user that a target names. */
export function userOf(target: string): number | undefined {
  const id = /^user-(\d+)$/.exec(target)?.[1]
  return id === undefined ? undefined : Number(id)
}

export function targetName(target: string, name: Name): string {
  const id = userOf(target)
  return id === undefined ? target : name(id)
}

/** What was done, and to whom or what. */
export function saidOf(e: AuditEntry, name: Name): string {
  const did = e.action === 'user.change' && e.detail.password_changed === true ? m.audit_user_password() : actionName(e.action)
  const to = objectOf(e, name)
  return to ? m.audit_said({ did, to }) : did
}

/** Whom or what it was done to, where that is not who did it, and has a name. */
function objectOf({ action, target, actor_id, detail }: AuditEntry, name: Name): string {
  const text = (v: unknown) => (typeof v === 'string' ? v : '')
  if (action === 'token.create') return text(detail.name)
  if (action === 'invitation.create') return detail.role ? roleName(detail.role as Role) : ''
  if (action === 'user.delete' && detail.username) return text(detail.username)
  const id = userOf(target)
  if (id !== undefined) return id === actor_id ? '' : name(id)
  return actionName(action) === action ? target : ''
}

/** What else is known, in words where there are some. */
export function detailsOf(e: AuditEntry): { name: string; value: string }[] {
  return Object.entries(e.detail)
    .filter(([key, v]) => !(key === 'password' && v === '[redacted]')) // what older versions wrote for both answers
    .map(([key, v]) => detailOf(key, v) ?? { name: key, value: typeof v === 'string' ? v : JSON.stringify(v) })
}

function detailOf(key: string, v: unknown): { name: string; value: string } | undefined {
  const yes = (name: string) => (typeof v === 'boolean' ? { name, value: v ? m.yes() : m.no() } : undefined)
  const as = (name: string) => (typeof v === 'string' ? { name, value: v } : typeof v === 'number' ? { name, value: number(v) } : undefined)
  switch (key) {
    case 'username':
      return as(m.username())
    case 'role':
      return { name: m.role(), value: roleName(v as Role) ?? String(v) }
    case 'active':
      return yes(m.user_active())
    case 'password_changed':
      return yes(m.password_new())
    case 'tokens_revoked':
      return yes(m.audit_tokens_revoked())
    case 'name':
      return as(m.token_name())
    case 'quota':
      if (typeof v !== 'object' || v === null) return undefined
      return { name: m.limits(), value: [limitsOf(v as Quota), budgetsOf(v as Quota)].filter(Boolean).join(' · ') }
    case 'code':
      return { name: m.audit_reason(), value: v === 'unauthenticated' ? m.login_wrong() : problemTitle(String(v)) }
    case 'left_out':
      return as(m.audit_left_out_name())
    case 'ended':
      return as(m.audit_ended())
  }
  return undefined
}
