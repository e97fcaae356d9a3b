import type { Role } from './wire'

const page = globalThis as { carrelEarly?: Map<string, Promise<Response>>; carrelCode?: Record<string, string[]> }

/** Answers that public/early.js asked for before this code was there, by path. */
const early = page.carrelEarly

/** The files that what is shown at an address needs beside the page's own. None in development. */
export const codeOf = (path: string): string[] => page.carrelCode?.[path] ?? []

/**
 * `fetch`, but for what was asked for already: such an answer is taken once. A
 * failure is asked for again, in the page's language; that nobody is signed in
 * needs no words.
 */
export async function fetchOnce(request: Request): Promise<Response> {
  // Who signs in here is somebody else than who was asked for.
  if (request.method !== 'GET') early?.clear()
  const path = request.url.slice(location.origin.length)
  const begun = early?.get(path)
  early?.delete(path)
  const answer = begun && (await Promise.race([begun.catch(() => undefined), ended(request.signal)]))
  return answer && (answer.ok || answer.status === 401) ? answer : fetch(request)
}

function ended(signal: AbortSignal): Promise<never> {
  return new Promise((_, fail) => signal.addEventListener('abort', () => fail(signal.reason as Error), { once: true }))
}

const knownKey = 'carrel.known'

/** Notes on the device who is signed in, if anybody: then public/early.js need not ask that first. */
export function noteKnown(role: Role | null): void {
  try {
    if (role) localStorage.setItem(knownKey, role)
    else localStorage.removeItem(knownKey)
  } catch {
    // Without storage it asks first.
  }
}
