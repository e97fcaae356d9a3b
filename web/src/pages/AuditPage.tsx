import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { queries } from '@/api/queries'
import { Button } from '@/components/Button'
import { Empty, Loading } from '@/components/Empty'
import { Failure } from '@/components/Notice'
import { Page } from '@/components/Page'
import { m } from '@/i18n/paraglide/messages.js'
import { choiceOf, type AuditFilter } from '@/modules/admin/auditFilter'
import { AuditFilters } from '@/modules/admin/AuditFilters'
import { AuditLine } from '@/modules/admin/AuditLine'
import { Earlier } from '@/modules/admin/Earlier'
import { useNames } from '@/modules/admin/useNames'

/** Who did what, the newest first. What of it is shown is in the address. */
export function AuditPage() {
  const filter = useSearch({ from: '/app/admin/audit' })
  const navigate = useNavigate()
  return (
    <Page title={m.audit()} wide>
      <AuditFilters filter={filter} onChange={(search) => void navigate({ to: '/admin/audit', search, replace: true })} />
      <Entries filter={filter} />
    </Page>
  )
}

function Entries({ filter }: { filter: AuditFilter }) {
  const list = useInfiniteQuery({ ...queries.audit(choiceOf(filter)), placeholderData: keepPreviousData })
  const name = useNames()
  if (list.error && !list.data) return <Failure error={list.error} actions={<Button onClick={() => void list.refetch()}>{m.try_again()}</Button>} />
  if (list.isPending) return <Loading label={m.loading()} rows={8} />
  const entries = list.data.pages.flatMap((p) => p.items)
  return (
    <>
      {entries.length === 0 ? (
        <Empty title={m.audit_empty_title()}>{m.audit_empty_text()}</Empty>
      ) : (
        <ul aria-busy={list.isPlaceholderData} className={`@container overflow-hidden rounded-card border transition-opacity ${list.isPlaceholderData ? 'opacity-60' : ''}`}>
          {entries.map((e) => (
            <AuditLine key={e.id} entry={e} filter={filter} name={name} />
          ))}
        </ul>
      )}
      <Earlier list={list} />
    </>
  )
}
