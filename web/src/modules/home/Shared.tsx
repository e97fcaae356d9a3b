import { Link } from '@tanstack/react-router'
import { Icon } from '@/components/Icon'
import { m } from '@/i18n/paraglide/messages.js'
import { useWaits } from '@/share/useWaits'

/** The way back to what another app shared, while it is nowhere. */
export function Shared() {
  if (!useWaits()) return null
  return (
    <Link to="/share" className="flex min-h-11 items-center gap-3 rounded-card border bg-sunken px-4 py-2 text-minor hover:bg-hover">
      <Icon name="file" size={16} className="text-muted" />
      <span className="flex-1">{m.share_waits()}</span>
      <Icon name="right" size={16} className="text-muted" />
    </Link>
  )
}
