import { useSyncExternalStore } from 'react'

export interface Settings {
  fontSize: number
  /** Each line is also there as text that a screen reader can read. */
  screenReader: boolean
}

export const fontSizes = { least: 9, most: 28 } as const

const key = 'carrel.terminal'
const listeners = new Set<() => void>()
let current = read()

function read(): Settings {
  const usual: Settings = { fontSize: 13, screenReader: false }
  try {
    const v = JSON.parse(localStorage.getItem(key) ?? '{}') as Partial<Settings>
    return { fontSize: bounded(Number(v.fontSize) || usual.fontSize), screenReader: v.screenReader === true }
  } catch {
    return usual
  }
}

function bounded(size: number): number {
  return Math.min(fontSizes.most, Math.max(fontSizes.least, Math.round(size)))
}

export function getSettings(): Settings {
  return current
}

export function changeSettings(change: Partial<Settings>): void {
  current = { ...current, ...change }
  current.fontSize = bounded(current.fontSize)
  try {
    localStorage.setItem(key, JSON.stringify(current))
  } catch {
    // It holds until the page is closed, then.
  }
  for (const l of listeners) l()
}

export function onSettings(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export function useSettings(): Settings {
  return useSyncExternalStore(onSettings, getSettings)
}
