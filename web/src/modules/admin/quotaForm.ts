import type { Quota } from '@/api/wire'

const gib = 2 ** 30

/** A quota as it is typed: sizes in GiB, nothing for no limit. */
export interface QuotaForm {
  cpu: string
  memoryGiB: string
  storageGiB: string
  pids: string
  liveSessions: string
  inodes: string
  tokensPerDay: string
  tokensPerMonth: string
}

/** Nothing in these is no limit. */
const mayBeEmpty: readonly (keyof QuotaForm)[] = ['tokensPerDay', 'tokensPerMonth']

export function formOf(q: Quota): QuotaForm {
  return {
    cpu: String(q.cpu),
    memoryGiB: gibText(q.memory_bytes),
    storageGiB: gibText(q.storage_bytes),
    pids: String(q.pids),
    liveSessions: String(q.live_sessions),
    inodes: String(q.inodes),
    tokensPerDay: q.tokens_per_day === null ? '' : String(q.tokens_per_day),
    tokensPerMonth: q.tokens_per_month === null ? '' : String(q.tokens_per_month),
  }
}

/** The fields in which something else stands than a number of 0 or more. */
export function unreadable(form: QuotaForm): (keyof QuotaForm)[] {
  const keys = Object.keys(form) as (keyof QuotaForm)[]
  return keys.filter((key) => read(form[key]) < 0 && !(form[key].trim() === '' && mayBeEmpty.includes(key)))
}

/** What was typed, as a quota. What was not touched stays to the byte. */
export function quotaOf(form: QuotaForm, before: Quota): Quota {
  const was = formOf(before)
  const size = (key: 'memoryGiB' | 'storageGiB', old: number) => (form[key] === was[key] ? old : Math.round(read(form[key]) * gib))
  return {
    instances: before.instances,
    live_sessions: Math.round(read(form.liveSessions)),
    cpu: read(form.cpu),
    memory_bytes: size('memoryGiB', before.memory_bytes),
    pids: Math.round(read(form.pids)),
    storage_bytes: size('storageGiB', before.storage_bytes),
    inodes: Math.round(read(form.inodes)),
    tokens_per_day: limit(form.tokensPerDay),
    tokens_per_month: limit(form.tokensPerMonth),
  }
}

/** Whether the form gives less storage than is used already. */
export function lessThanUsed(form: QuotaForm, before: Quota, used: number | undefined): boolean {
  const { storage_bytes } = quotaOf(form, before)
  return used !== undefined && storage_bytes > 0 && storage_bytes < used
}

function gibText(bytes: number): string {
  return String(Math.round((bytes / gib) * 1000) / 1000)
}

function read(text: string): number {
  const n = Number(text.trim().replace(/[\s_,](?=\d{3}(\D|$))/g, ''))
  return text.trim() === '' || !Number.isFinite(n) ? -1 : n
}

function limit(text: string): number | null {
  return text.trim() === '' ? null : Math.round(read(text))
}
