import { useQuery } from '@tanstack/react-query'
import { Link, useRouterState } from '@tanstack/react-router'
import { queries } from '@/api/queries'
import { Icon, type IconName } from '@/components/Icon'
import { m } from '@/i18n/paraglide/messages.js'
import { grouped } from '@/modules/sessions/order'

/** The bar under a phone's thumb. It gives way to the keyboard, and to a conversation. */
export function BottomBar({ hidden }: { hidden: boolean }) {
  const { data } = useQuery(queries.sessions())
  const path = useRouterState({ select: (s) => s.location.pathname })
  const waiting = data?.filter((s) => s.state === 'waiting').length ?? 0
  const last = data && data.length > 0 ? grouped(data)[0]?.sessions[0] : undefined
  if (hidden) return null
  const item = 'relative grid min-h-13 content-center justify-items-center gap-0.5 pt-1.5 pb-1 text-small text-muted aria-[current]:font-strong aria-[current]:text-accent'
  const face = (icon: IconName, text: string) => (
    <>
      <Icon name={icon} size={21} />
      {text}
    </>
  )
  const more = ['/account', '/admin', '/more', '/projects', '/search', '/snapshots'].some((p) => path.startsWith(p))
  return (
    // Where a phone's keyboard leaves little room, who writes has it all. What is only ticked or chosen brings no keyboard, and moves nothing.
    <nav
      aria-label={m.places()}
      className="grid grid-cols-5 border-t bg-page safe-bottom group-has-[textarea[data-keyboard]:focus]/shell:hidden desk:hidden short:pointer-coarse:group-has-[:is(textarea,[contenteditable=true],input:not([type=checkbox],[type=radio],[type=file],[type=range],[type=color])):focus]/shell:hidden"
    >
      <Link to="/" className={item} aria-current={path === '/' ? 'page' : undefined}>
        {face('home', m.home())}
        {waiting > 0 && (
          <span className="absolute top-1.5 left-[calc(50%+6px)] min-w-4 rounded-full bg-wait px-1 text-center text-small leading-4 font-strong text-page tabular">
            {waiting}
            <span className="sr-only"> {m.group_waiting()}</span>
          </span>
        )}
      </Link>
      {last ? (
        <Link to="/s/$sessionId" params={{ sessionId: last.id }} className={item}>
          {face('chat', m.chat())}
        </Link>
      ) : (
        <span role="link" aria-disabled="true" className={`${item} opacity-50`}>{face('chat', m.chat())}</span>
      )}
      <Link to="/files/$" params={{ _splat: '' }} className={item} aria-current={path.startsWith('/files') ? 'page' : undefined}>
        {face('folder', m.files())}
      </Link>
      <Link to="/terminal" className={item} aria-current={path.startsWith('/terminal') ? 'page' : undefined}>
        {face('terminal', m.terminal())}
      </Link>
      <Link to="/more" className={item} aria-current={more ? 'page' : undefined}>
        {face('more', m.more())}
      </Link>
    </nav>
  )
}
