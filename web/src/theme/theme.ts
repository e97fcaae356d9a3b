import { useSyncExternalStore } from 'react'
import { m } from '@/i18n/paraglide/messages.js'

export type Theme = 'system' | 'light' | 'dark'

export const themes: readonly Theme[] = ['system', 'light', 'dark']

export function themeName(theme: Theme): string {
  return { system: m.theme_system(), light: m.theme_light(), dark: m.theme_dark() }[theme]
}

// The same key is read by public/early.js, before the first paint.
const key = 'carrel.theme'
const listeners = new Set<() => void>()

export function getTheme(): Theme {
  const t = document.documentElement.dataset.theme
  return t === 'light' || t === 'dark' ? t : 'system'
}

export function setTheme(theme: Theme): void {
  try {
    if (theme === 'system') localStorage.removeItem(key)
    else localStorage.setItem(key, theme)
  } catch {
    // It holds until the page is closed, then.
  }
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
  for (const l of listeners) l()
}

export function useTheme(): Theme {
  return useSyncExternalStore((l) => {
    listeners.add(l)
    return () => listeners.delete(l)
  }, getTheme, () => 'system')
}

const darkness = typeof matchMedia === 'function' ? matchMedia('(prefers-color-scheme: dark)') : null

/** Whether the page is dark now, by choice or by the system: for what is drawn outside of CSS. */
export function useDark(): boolean {
  const theme = useTheme()
  const system = useSyncExternalStore(
    (l) => {
      darkness?.addEventListener('change', l)
      return () => darkness?.removeEventListener('change', l)
    },
    () => darkness?.matches ?? false,
    () => false,
  )
  return theme === 'system' ? system : theme === 'dark'
}
