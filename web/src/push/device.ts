import { api, ApiError, call } from '@/api/client'

/** Why this device cannot be told anything; null: it can. */
export type Hindrance = 'insecure' | 'unsupported' | 'install' | 'denied' | null

// The server's id of this device, and whose choice it was: `7:id`.
const key = 'carrel.push'

function noted(): { user: number; id: string } | null {
  const [user, id] = (localStorage.getItem(key) ?? '').split(':')
  return user && id ? { user: Number(user), id } : null
}

export function hindrance(): Hindrance {
  if (!window.isSecureContext) return 'insecure'
  if (!('serviceWorker' in navigator) || !('PushManager' in window) || !('Notification' in window)) return /iPhone|iPad/.test(navigator.userAgent) ? 'install' : 'unsupported'
  return Notification.permission === 'denied' ? 'denied' : null
}

/** The server's id of this device, when it is told; null otherwise. */
export async function thisDevice(): Promise<string | null> {
  if (hindrance() !== null) return null
  const registration = await navigator.serviceWorker.getRegistration()
  const subscription = await registration?.pushManager.getSubscription()
  return subscription ? (noted()?.id ?? null) : null
}

/** Asks the person and the browser, and tells the server. */
export async function turnOn(publicKey: string, userId: number): Promise<void> {
  if ((await Notification.requestPermission()) !== 'granted') throw new ApiError({ status: 0, code: 'denied', detail: '' })
  const registration = await navigator.serviceWorker.ready
  const old = await registration.pushManager.getSubscription()
  // Of another server, or of an earlier key of this one.
  if (old && !sameKey(old, publicKey)) await old.unsubscribe()
  const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytesOf(publicKey) })
  await tell(subscription, userId)
}

/** What a device is told ends with the sign-in that asked for it. Whoever signs in again had asked, and is told again; somebody else had not. */
export async function renew(userId: number): Promise<void> {
  if (noted()?.user !== userId || hindrance() !== null) return
  const registration = await navigator.serviceWorker.getRegistration()
  const subscription = await registration?.pushManager.getSubscription()
  if (subscription) await tell(subscription, userId)
}

async function tell(subscription: PushSubscription, userId: number): Promise<void> {
  const { endpoint, keys } = subscription.toJSON()
  const made = await call(api.POST('/me/push', { body: { endpoint: endpoint!, keys: { p256dh: keys!.p256dh!, auth: keys!.auth! }, device: nameOf(navigator.userAgent) } }))
  localStorage.setItem(key, `${userId}:${made.id}`)
}

/** Has this device told nothing any more, for whoever signs in next too. */
export async function turnOff(): Promise<void> {
  const id = noted()?.id
  if (id) await call(api.DELETE('/me/push/{id}', { params: { path: { id } } })).catch(() => {}) // removed elsewhere
  await forgetDevice()
}

/** The same where the server has forgotten it already, with the sign-in. */
export async function forgetDevice(): Promise<void> {
  localStorage.removeItem(key)
  const registration = await navigator.serviceWorker?.getRegistration()
  await (await registration?.pushManager?.getSubscription())?.unsubscribe()
}

/** Takes away what was told of a session: the person sees it. */
export async function clearTold(sessionId: string): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration()
  for (const n of (await registration?.getNotifications?.({ tag: sessionId })) ?? []) n.close()
}

function sameKey(subscription: PushSubscription, publicKey: string): boolean {
  const now = subscription.options.applicationServerKey
  return now !== null && bytesOf(publicKey).every((b, i) => new Uint8Array(now)[i] === b)
}

export function bytesOf(base64url: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64url.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(text, (c) => c.charCodeAt(0))
}

/** What people call a browser: its name and what it runs on. */
export const nameOf = (agent: string): string => knownName(agent) || 'Browser'

/** The same, or empty when it is none that people know. */
export function knownName(agent: string): string {
  const find = (names: readonly [RegExp, string][]) => names.find(([pattern]) => pattern.test(agent))?.[1]
  const browser = find([[/Edg/, 'Edge'], [/MicroMessenger/, 'WeChat'], [/Firefox|FxiOS/, 'Firefox'], [/SamsungBrowser/, 'Samsung Internet'], [/Chrome|CriOS/, 'Chrome'], [/Safari/, 'Safari']])
  const system = find([[/Android/, 'Android'], [/iPhone/, 'iPhone'], [/iPad/, 'iPad'], [/Mac OS/, 'macOS'], [/Windows/, 'Windows'], [/CrOS/, 'ChromeOS'], [/Linux/, 'Linux']])
  return [browser, system].filter(Boolean).join(', ')
}
