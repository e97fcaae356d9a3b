import { useQuery } from '@tanstack/react-query'
import { queries } from '@/api/queries'
import { Button } from '@/components/Button'
import { Field, Select } from '@/components/Field'
import { m } from '@/i18n/paraglide/messages.js'
import type { AuditFilter } from './auditFilter'
import { actionGroups, actionName, targetName } from './auditWords'
import { useNames } from './useNames'

/** Chooses by whom, what, and when; to whom or what, one chooses at an entry. */
export function AuditFilters({ filter, onChange }: { filter: AuditFilter; onChange: (filter: AuditFilter) => void }) {
  const { by, did, to, from, until } = filter
  const name = useNames()
  const users = useQuery(queries.users()).data ?? []
  const groups = actionGroups()
  const change = (part: { [K in keyof AuditFilter]: AuditFilter[K] | undefined }) => onChange({ ...filter, ...part } as AuditFilter)
  return (
    <search className="@container mb-4 block">
      <div className="grid grid-cols-2 gap-3 @4xl:flex @4xl:flex-wrap @4xl:items-end">
        <div className="@4xl:w-48">
          <Select label={m.audit_by()} value={by ?? ''} onChange={(e) => change({ by: e.target.value === '' ? undefined : Number(e.target.value) })}>
            <option value="">{m.audit_by_all()}</option>
            <option value={0}>{m.audit_nobody()}</option>
            {by !== undefined && by > 0 && !users.some((u) => u.id === by) && <option value={by}>{name(by)}</option>}
            {users.map((u) => (
              <option key={u.id} value={u.id}>
                {u.username}
              </option>
            ))}
          </Select>
        </div>
        <div className="@4xl:w-64">
          <Select label={m.audit_did()} value={did ?? ''} onChange={(e) => change({ did: e.target.value || undefined })}>
            <option value="">{m.audit_did_all()}</option>
            {did && !groups.some((g) => g.actions.includes(did)) && <option value={did}>{did}</option>}
            {groups.map((g) => (
              <optgroup key={g.name} label={g.name}>
                {g.actions.map((a) => (
                  <option key={a} value={a}>
                    {a.endsWith('*') ? m.audit_did_group({ group: g.name }) : actionName(a)}
                  </option>
                ))}
              </optgroup>
            ))}
          </Select>
        </div>
        <div className="@4xl:w-40">
          <Field label={m.audit_from()} type="date" className="h-11 desk:h-9" value={from ?? ''} max={until} onChange={(e) => change({ from: e.target.value || undefined })} />
        </div>
        <div className="@4xl:w-40">
          <Field label={m.audit_until()} type="date" className="h-11 desk:h-9" value={until ?? ''} min={from} onChange={(e) => change({ until: e.target.value || undefined })} />
        </div>
        {Object.keys(filter).length > 0 && (
          <Button className="col-span-2" onClick={() => onChange({})}>
            {m.audit_clear()}
          </Button>
        )}
      </div>
      {to && <p className="mt-3 text-minor">{m.audit_only_to({ name: targetName(to, name) })}</p>}
    </search>
  )
}
