import type { ReactNode } from 'react'
import { ApiError } from '@/api/client'
import { problemOf, problemTitle } from '@/i18n/problem'
import { Coded } from './Coded'
import { Icon } from './Icon'

type Tone = 'wait' | 'danger' | 'info'

const tones: Record<Tone, string> = {
  wait: 'border-wait/50 bg-wait-ground',
  danger: 'border-danger/50 bg-removed',
  info: 'border-line bg-sunken',
}

const marks: Record<Tone, string> = { wait: 'text-wait', danger: 'text-danger', info: 'text-info' }

export function Notice({ tone, title, children, actions }: { tone: Tone; title: string; children?: ReactNode; actions?: ReactNode }) {
  return (
    <div role={tone === 'info' ? 'note' : 'alert'} className={`flex gap-3 rounded-card border px-4 py-3 text-minor ${tones[tone]}`}>
      <Icon name="warn" size={18} className={`mt-px ${marks[tone]}`} />
      <div className="min-w-0 flex-1">
        <p className="font-strong">{title}</p>
        {children && <div className="mt-0.5 [overflow-wrap:anywhere] text-muted">{children}</div>}
        {actions && <div className="mt-2 flex flex-wrap gap-2">{actions}</div>}
      </div>
    </div>
  )
}

/** What went wrong, in words, with the server's own reason. */
export function Failure({ error, actions }: { error: unknown; actions?: ReactNode }) {
  const { code, detail } = problemOf(error)
  return (
    <Notice tone="danger" title={problemTitle(code)} actions={actions}>
      {detail && <Coded text={detail} />}
    </Notice>
  )
}

/** What went wrong with a form, but for what stands at its fields. A wrong password or code is a slip, which the server's words say best. */
export function FormFailure({ error, fields }: { error: unknown; fields: readonly string[] }) {
  if (!error) return null
  const at = error instanceof ApiError ? [...error.fields.keys()] : []
  if (at.length > 0 && at.every((field) => fields.includes(field))) return null
  const { code, detail } = problemOf(error)
  return code === 'forbidden' && detail ? <Notice tone="danger" title={detail} /> : <Failure error={error} />
}
