/// <reference lib="webworker" />
import { build } from './build'
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

// A new version waits until somebody says so: the pages of the old one use the old one's files.
self.addEventListener('message', (e) => {
  if ((e.data as { type?: unknown } | null)?.type === 'activate') e.waitUntil(self.skipWaiting())
})
