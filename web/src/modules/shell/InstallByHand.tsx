import { m } from '@/i18n/paraglide/messages.js'
import { useInstalling } from './install'

/** Safari offers nothing: it is said how to do it there. */
export function InstallByHand() {
  return useInstalling() === 'by hand' && <p className="mt-4 px-1 text-minor text-muted">{m.install_by_hand()}</p>
}
