/// <reference lib="webworker" />
import { build } from './build'
import { readTold, type Told } from '@/push/told'
import { pressed, tell, type Around } from './push'
import { isShare, takeShare } from './share'
import { Shell } from './shell'

declare const self: ServiceWorkerGlobalScope

const shell = new Shell(build(), self.caches, self.location.origin)

self.addEventListener('install', (e) => e.waitUntil(shell.install()))

self.addEventListener('activate', (e) => e.waitUntil(shell.removeOthers().then(() => self.clients.claim())))

self.addEventListener('fetch', (e) => {
  const answer = isShare(e.request) ? takeShare(e.request) : shell.answer(e.request)
  if (answer) e.respondWith(answer)
})

const around: Around = {
  pages: async () => {
    const all = await self.clients.matchAll({ type: 'window' })
    return all.map((c) => ({ url: c.url, visible: c.visibilityState === 'visible', go: async (url) => (await c.focus()).navigate(url) }))
  },
  open: (url) => self.clients.openWindow(url),
  show: (title, options) => self.registration.showNotification(title, options as NotificationOptions),
  badge: async (waiting) => {
    const icon = self.navigator as WorkerNavigator & { setAppBadge?: (n: number) => Promise<void> }
    await icon.setAppBadge?.(waiting).catch(() => {})
  },
  answer: async (told, behavior) => {
    const answer = await fetch(`/api/v1/sessions/${encodeURIComponent(told.sessionId)}/answers`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ request_id: told.requestId, behavior }),
    }).catch(() => null)
    return answer?.ok === true
  },
}

self.addEventListener('push', (e) => {
  let data: unknown = null
  try {
    data = e.data?.json()
  } catch {
    // It is not from a server that we know.
  }
  const told = readTold(data)
  if (told) e.waitUntil(tell(told, around))
})

self.addEventListener('notificationclick', (e) => {
  e.notification.close()
  e.waitUntil(pressed(e.notification.data as Told, e.action, around))
})

// A new version waits until somebody says so: the pages of the old one use the old one's files.
self.addEventListener('message', (e) => {
  if ((e.data as { type?: unknown } | null)?.type === 'activate') e.waitUntil(self.skipWaiting())
})
