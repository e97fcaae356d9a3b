import { useQuery } from '@tanstack/react-query'
import { queries } from '@/api/queries'
import { Meter } from '@/components/Meter'
import { bytes, compact, number } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { useMe } from '@/modules/shell/me'

/** What is used, against what may be. */
export function Use({ live }: { live: number }) {
  const { quota, usage } = useMe()
  const { data: instance } = useQuery(queries.instance())
  const tokens = (name: string, used: number, limit: number | null) =>
    limit === null ? <Meter name={name} value={m.tokens({ count: compact(used) })} /> : <Meter name={name} value={m.used_of({ used: compact(used), limit: compact(limit) })} share={limit > 0 ? used / limit : 1} />
  return (
    <section aria-label={m.home_use()}>
      <h2 className="pb-2 text-title font-strong">{m.home_use()}</h2>
      <div className="grid gap-x-8 gap-y-3 desk:grid-cols-2">
        {tokens(m.used_today(), usage.tokens_today, quota.tokens_per_day)}
        {tokens(m.used_month(), usage.tokens_this_month, quota.tokens_per_month)}
        <Meter name={m.use_live()} value={m.used_of({ used: number(live), limit: number(quota.live_sessions) })} share={live / Math.max(1, quota.live_sessions)} full={false} />
        {instance && (
          <>
            <Meter name={m.quota_memory()} value={m.used_of({ used: bytes(instance.usage.memory_bytes), limit: bytes(quota.memory_bytes) })} share={instance.usage.memory_bytes / quota.memory_bytes} />
            <Meter name={m.quota_storage()} value={m.used_of({ used: bytes(instance.usage.storage_bytes), limit: bytes(quota.storage_bytes) })} share={instance.usage.storage_bytes / quota.storage_bytes} />
          </>
        )}
      </div>
    </section>
  )
}
