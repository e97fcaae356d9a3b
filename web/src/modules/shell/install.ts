import { useSyncExternalStore } from 'react'

/** What a browser hands out that offers to install the page. */
interface InstallPrompt extends Event {
  prompt(): Promise<unknown>
}

/** How Carrel becomes an app of the device: the browser asks, the person does it in Safari's menu, or not at all. */
export type Installing = 'offered' | 'by hand' | null

let offered: InstallPrompt | null = null
const listeners = new Set<() => void>()

function become(prompt: InstallPrompt | null): void {
  offered = prompt
  for (const l of listeners) l()
}

/** Listens from the start: the browser offers it once, early. */
export function keepInstallOffer(): void {
  window.addEventListener('beforeinstallprompt', (e) => {
    e.preventDefault() // it is asked where we say
    become(e as InstallPrompt)
  })
  window.addEventListener('appinstalled', () => become(null))
}

export function install(): void {
  const prompt = offered
  become(null) // it can be used once
  void prompt?.prompt()
}

/** iPadOS calls itself a Mac, and is the only one that is touched. */
export function onApple(agent: string, touchPoints: number): boolean {
  return /iPhone|iPad|iPod/.test(agent) || (/Macintosh/.test(agent) && touchPoints > 1)
}

function installing(): Installing {
  if (matchMedia('(display-mode: standalone)').matches || (navigator as { standalone?: boolean }).standalone === true) return null
  if (offered) return 'offered'
  return onApple(navigator.userAgent, navigator.maxTouchPoints) ? 'by hand' : null
}

export function useInstalling(): Installing {
  return useSyncExternalStore((l) => {
    listeners.add(l)
    return () => listeners.delete(l)
  }, installing)
}
