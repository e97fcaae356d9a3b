import { useNavigate, useParams } from '@tanstack/react-router'
import { usePageTitle } from '@/components/pageTitle'
import { m } from '@/i18n/paraglide/messages.js'
import { LinkState } from '@/modules/shell/LinkState'
import { TerminalPanel } from '@/modules/terminal/TerminalPanel'

/** All terminals of a person, one of them open; which, is in the address. */
export function TerminalPage() {
  usePageTitle(m.terminal())
  const { terminalId } = useParams({ strict: false })
  const navigate = useNavigate()
  return (
    <>
      <h1 className="sr-only">{m.terminals()}</h1>
      <LinkState />
      <TerminalPanel
        open={terminalId}
        onOpen={(id) => void (id === undefined ? navigate({ to: '/terminal', replace: true }) : navigate({ to: '/terminal/$terminalId', params: { terminalId: id }, replace: true }))}
      />
    </>
  )
}
