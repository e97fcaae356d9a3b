import { useSyncExternalStore } from 'react'
import { overwriteGetLocale } from './paraglide/runtime.js'

export type Locale = 'en' | 'zh-CN'

/** The languages, each by its own name. */
export const languages: Record<Locale, string> = { en: 'English', 'zh-CN': '简体中文' }

const key = 'carrel.language'
const listeners = new Set<() => void>()
let current: Locale = 'en'

export function isLocale(v: unknown): v is Locale {
  return v === 'en' || v === 'zh-CN'
}

export function getLocale(): Locale {
  return current
}

/** Begins with the language chosen before on this device, else the browser's. */
export function startLocale(): void {
  let chosen: string | null = null
  try {
    chosen = localStorage.getItem(key)
  } catch {
    // The browser's language will do.
  }
  current = isLocale(chosen) ? chosen : navigator.language.toLowerCase().startsWith('zh') ? 'zh-CN' : 'en'
  overwriteGetLocale(getLocale)
  document.documentElement.lang = current
}

export function setLocale(locale: Locale): void {
  if (locale === current) return
  current = locale
  document.documentElement.lang = locale
  try {
    localStorage.setItem(key, locale)
  } catch {
    // It holds until the page is closed, then.
  }
  for (const l of listeners) l()
}

/** Calls a listener whenever the language changes; the answer ends that. */
export function onLocale(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export function useLocale(): Locale {
  return useSyncExternalStore(onLocale, getLocale)
}
