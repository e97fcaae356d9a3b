import type { QueryClient } from '@tanstack/react-query'
import { api, call } from '@/api/client'
import { halves } from '@/modules/conversation/dock/half'
import { problemOf } from '@/i18n/problem'
import { drafts } from '@/modules/conversation/draft'
import { places } from '@/modules/conversation/places'
import { draftsOf } from '@/modules/files/drafts'
import { forgetTabs } from '@/modules/files/lastTabs'
import { lastProjectKey } from '@/modules/sessions/lastProject'
import { forgetKept } from '@/offline/page'
import { forgetShared } from '@/share/store'
import { forgetDevice } from '@/push/device'
import { stream } from '@/stream/page'

export const signOutKey = ['sign-out']

/** The user is signing out: what the server refuses meanwhile is no news. */
export const signingOut = (client: QueryClient): boolean => client.isMutating({ mutationKey: signOutKey }) > 0

/** Ends the sign-in and forgets, on this device, all that it gave access to. */
export async function signOut(client: QueryClient, userId: number, leave: () => Promise<void>): Promise<void> {
  await call(api.POST('/auth/logout', {})).catch((e: unknown) => {
    if (problemOf(e).code !== 'unauthenticated') throw e // else it has ended already
  })
  await leave() // first, so that no view asks for what it may no longer have
  stream.reset()
  client.clear()
  drafts.forget()
  halves.clear()
  places.clear()
  draftsOf(userId).forget()
  forgetTabs(userId)
  // The next one at this browser is not told of this one's sessions. Only now: who could not sign out is still told.
  await Promise.all([forgetKept(), forgetShared().catch(() => {}), forgetDevice().catch(() => {})])
  localStorage.removeItem(lastProjectKey)
}

/** Somebody is signed in: what was begun here by another, whose sign-in ended by itself, is nothing for them. */
export function forgetOthers(userId: number): void {
  if (!drafts.belongTo(userId)) return
  halves.clear()
  places.clear()
  localStorage.removeItem(lastProjectKey)
}

/**
 * In another tab somebody else has signed in, and the browser has one sign-in:
 * what this page asks and writes it would do as them. It begins anew, theirs.
 */
export function followSignIn(): () => void {
  const elsewhere = (e: StorageEvent) => drafts.passedOn(e.key, e.newValue) && location.reload()
  window.addEventListener('storage', elsewhere)
  return () => window.removeEventListener('storage', elsewhere)
}
