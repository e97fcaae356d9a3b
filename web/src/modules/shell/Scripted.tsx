import { useQuery } from '@tanstack/react-query'
import { queries } from '@/api/queries'
import type { User } from '@/api/wire'
import { Coded } from '@/components/Coded'
import { m } from '@/i18n/paraglide/messages.js'

/** Without a credential no real model answers. This says so where nobody can miss it, and how to mend it; `compact` leaves a phone the title. */
export function ScriptedBanner({ me, compact }: { me?: User; compact: boolean }) {
  const { data } = useQuery(queries.config())
  if (!data?.scripted) return null
  const small = compact ? 'hidden desk:block' : ''
  return (
    <div role="note" className="border-b border-wait/40 bg-wait-ground px-4 py-2.5 desk:px-6">
      <p className={`font-strong text-wait ${compact ? 'text-minor desk:text-title' : 'text-title'}`}>{m.scripted_title()}</p>
      <p className={`mt-0.5 text-minor ${small}`}>{m.scripted_text()}</p>
      <p className={`text-minor ${small}`}>{me === undefined || me.role === 'admin' ? <Coded text={m.scripted_admin()} /> : m.scripted_user()}</p>
    </div>
  )
}
