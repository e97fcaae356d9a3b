import { plain } from '@/components/plain'
import { toast } from '@/components/Toasts'
import { m } from '@/i18n/paraglide/messages.js'

const mostNamed = 3

/** Names what was dropped and cannot be read. */
export function tellUnread(paths: readonly string[]): void {
  if (paths.length === 0) return
  const names = paths.slice(0, mostNamed).map(plain).join(', ')
  const more = paths.length - mostNamed
  toast(more > 0 ? m.upload_unread_more({ names, count: more }) : m.upload_unread({ names }))
}
