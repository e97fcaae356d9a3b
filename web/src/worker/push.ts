import { m } from '@/i18n/paraglide/messages.js'
import type { Told } from '@/push/told'

/** What the worker needs of its surroundings. */
export interface Around {
  /** The open pages of ours. */
  pages: () => Promise<readonly Page[]>
  open: (url: string) => Promise<unknown>
  show: (title: string, options: Shown) => Promise<void>
  badge: (waiting: number) => Promise<void>
  /** Answers a request; whether the server took it. */
  answer: (told: Told, behavior: 'allow' | 'deny') => Promise<boolean>
}

export interface Page {
  readonly url: string
  readonly visible: boolean
  go: (url: string) => Promise<unknown>
}

export interface Shown {
  body: string
  tag: string
  data: Told
  renotify: boolean
  requireInteraction: boolean
  icon: string
  actions: { action: 'allow' | 'deny'; title: string }[]
}

/** Shows what was told, unless somebody has that very session before their eyes. */
export async function tell(told: Told, around: Around): Promise<void> {
  await around.badge(told.waiting)
  const seen = (await around.pages()).some((p) => p.visible && new URL(p.url).pathname === told.url)
  if (seen) return
  const locale = told.language
  await around.show(told.title, {
    body: told.body,
    tag: told.tag,
    data: told,
    renotify: true,
    requireInteraction: told.kind === 'request',
    icon: '/icon-192.png',
    actions: told.kind === 'request' && told.canAnswer ? [
      { action: 'allow', title: m.allow_once({}, { locale }) },
      { action: 'deny', title: m.deny({}, { locale }) },
    ] : [],
  })
}

/** A press on it: it answers, or goes to where the person can. */
export async function pressed(told: Told, action: string, around: Around): Promise<void> {
  if ((action === 'allow' || action === 'deny') && told.canAnswer && (await around.answer(told, action))) return
  const pages = await around.pages()
  const page = pages.find((p) => new URL(p.url).pathname === told.url) ?? pages.find((p) => p.visible) ?? pages[0]
  // A page that cannot be taken along, say of another version, is no reason to show nothing.
  if (page) await page.go(told.url).catch(() => around.open(told.url))
  else await around.open(told.url)
}
