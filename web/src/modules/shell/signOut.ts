import type { QueryClient } from '@tanstack/react-query'
import { api, call } from '@/api/client'
import { halves } from '@/modules/conversation/dock/half'
import { drafts } from '@/modules/conversation/draft'
import { draftsOf } from '@/modules/files/drafts'
import { lastProjectKey } from '@/modules/sessions/lastProject'
import { forgetKept } from '@/offline/page'
import { forgetShared } from '@/share/store'
import { turnOff } from '@/push/device'
import { stream } from '@/stream/page'

/** Ends the sign-in and forgets, on this device, all that it gave access to. */
export async function signOut(client: QueryClient, userId: number, leave: () => Promise<void>): Promise<void> {
  // The next one at this browser is not told of this one's sessions.
  await turnOff().catch(() => {})
  await call(api.POST('/auth/logout', {}))
  await leave() // first, so that no view asks for what it may no longer have
  stream.reset()
  client.clear()
  drafts.forget()
  halves.clear()
  draftsOf(userId).forget()
  await Promise.all([forgetKept(), forgetShared().catch(() => {})])
  for (const key of Object.keys(localStorage)) if (key.startsWith('carrel.draft.') || key === lastProjectKey) localStorage.removeItem(key)
}
