import { useQuery } from '@tanstack/react-query'
import { queries } from '@/api/queries'
import { Empty } from '@/components/Empty'
import { Lamp } from '@/components/Lamp'
import { m } from '@/i18n/paraglide/messages.js'
import { LinkState } from '@/modules/shell/LinkState'
import { usePageTitle } from '@/components/pageTitle'

/** The desk's middle while no session is open. On a phone the list itself is the home page. */
export function HomePage() {
  usePageTitle('')
  const { data } = useQuery(queries.sessions())
  const waiting = data?.filter((s) => s.state === 'waiting').length ?? 0
  return (
    <>
      <LinkState />
      <div className="grid flex-1 place-content-center justify-items-center pb-24">
        <Empty mark={<Lamp light={waiting > 0 ? 'waiting' : 'dormant'} size={44} />} title={waiting > 0 ? m.home_waiting({ count: waiting }) : m.home_title()}>
          {m.home_text()}
        </Empty>
      </div>
    </>
  )
}
