import { Link } from '@tanstack/react-router'
import { useId, useState } from 'react'
import type { AuditEntry } from '@/api/wire'
import { Icon } from '@/components/Icon'
import { dateTime, dateTimeExact } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import type { AuditFilter } from './auditFilter'
import { detailsOf, saidOf, targetName } from './auditWords'

/** One line until opened: when, who, what, to whom, from where. */
export function AuditLine({ entry: e, filter, name }: { entry: AuditEntry; filter: AuditFilter; name: (id: number) => string }) {
  const [open, setOpen] = useState(false)
  const id = useId()
  const leftOut = e.detail.left_out
  return (
    <li className="border-t first:border-t-0">
      <button
        type="button"
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
        className="flex min-h-11 w-full items-center gap-3 px-3 py-2 text-start text-minor -outline-offset-2 hover:bg-hover desk:min-h-10 desk:px-4 desk:py-1.5"
      >
        <Icon name="right" size={13} className={`text-muted transition-transform ${open ? 'rotate-90' : ''}`} />
        <span className="min-w-0 flex-1 @3xl:grid @3xl:grid-cols-[11rem_9rem_minmax(0,1fr)_10rem] @3xl:items-baseline @3xl:gap-4">
          <span className="block @3xl:contents">
            <span className={`@3xl:truncate ${e.actor_id === 0 ? 'text-muted' : 'font-strong'}`}>{e.actor_id === 0 ? m.audit_nobody() : name(e.actor_id)}</span>{' '}
            <span className="[overflow-wrap:anywhere]">
              {saidOf(e, name)}
              {typeof leftOut === 'number' && <span className="text-muted"> · {m.audit_left_out({ count: leftOut })}</span>}
            </span>
          </span>
          <span className="flex flex-wrap gap-x-3 text-muted tabular @3xl:contents">
            <time dateTime={e.at} className="@3xl:order-first">
              {dateTime(e.at)}
            </time>
            <span className="min-w-0 truncate">{e.address}</span>
          </span>
        </span>
      </button>
      <div id={id} hidden={!open} className="border-t bg-sunken px-4 py-3 desk:pl-11">
        {open && <Details entry={e} filter={filter} name={name} />}
      </div>
    </li>
  )
}

function Details({ entry: e, filter, name }: { entry: AuditEntry; filter: AuditFilter; name: (id: number) => string }) {
  const facts = [
    { name: m.audit_at(), value: dateTimeExact(e.at) },
    ...(e.address ? [{ name: m.audit_address(), value: e.address }] : []),
    ...(e.target ? [{ name: m.audit_target(), value: e.target }] : []),
    ...detailsOf(e),
  ]
  const link = 'inline-flex min-h-11 items-center text-minor text-info underline-offset-2 hover:underline desk:min-h-8'
  return (
    <>
      <dl className="grid grid-cols-[fit-content(9rem)_minmax(0,1fr)] gap-x-6 gap-y-1 text-minor">
        {facts.map((f) => (
          <div key={f.name} className="contents">
            <dt className="text-muted">{f.name}</dt>
            <dd className="tabular [overflow-wrap:anywhere]">{f.value}</dd>
          </div>
        ))}
      </dl>
      <div className="mt-2 flex flex-wrap gap-x-6">
        {e.actor_id > 0 && (
          <Link to="/admin/audit" search={{ ...filter, by: e.actor_id }} className={link}>
            {m.audit_only_by({ name: name(e.actor_id) })}
          </Link>
        )}
        {e.target && (
          <Link to="/admin/audit" search={{ ...filter, to: e.target }} className={link}>
            {m.audit_only_this({ name: targetName(e.target, name) })}
          </Link>
        )}
      </div>
    </>
  )
}
