import { useSyncExternalStore } from 'react'

/** Widths of the column, in pixels. */
export const widths = { least: 280, usual: 360, most: 720 } as const
/** What the list of sessions takes, and what the conversation keeps for itself. */
const sessions = 264
const conversation = 440

export interface Column {
  width: number
  closed: boolean
}

/** How wide the column may be in a window. */
export function mostIn(windowWidth: number): number {
  return Math.min(widths.most, Math.max(widths.least, windowWidth - sessions - conversation))
}

export function clampWidth(px: number, windowWidth: number): number {
  return Math.round(Math.min(mostIn(windowWidth), Math.max(widths.least, px)))
}

const step = 16

/** Where a key moves the column's edge to, which is its left one; null: the key does not move it. */
export function widthAfterKey(key: string, width: number, windowWidth: number): number | null {
  switch (key) {
    case 'ArrowLeft':
      return clampWidth(width + step, windowWidth)
    case 'ArrowRight':
      return clampWidth(width - step, windowWidth)
    case 'Home':
      return widths.least
    case 'End':
      return mostIn(windowWidth)
  }
  return null
}

// How a person has the column is remembered by their browser.
const key = 'carrel.work'
const listeners = new Set<() => void>()
let current = read()

function read(): Column {
  try {
    const v = JSON.parse(localStorage.getItem(key) ?? '{}') as Partial<Column>
    const width = Number(v.width) || widths.usual
    return { width: Math.min(widths.most, Math.max(widths.least, width)), closed: v.closed === true }
  } catch {
    return { width: widths.usual, closed: false }
  }
}

export function changeColumn(change: Partial<Column>): void {
  current = { ...current, ...change }
  try {
    localStorage.setItem(key, JSON.stringify(current))
  } catch {
    // It holds until the page is closed, then.
  }
  for (const l of listeners) l()
}

export function useColumn(): Column {
  return useSyncExternalStore(
    (l) => {
      listeners.add(l)
      return () => listeners.delete(l)
    },
    () => current,
  )
}

export function useWindowWidth(): number {
  return useSyncExternalStore(
    (l) => {
      addEventListener('resize', l)
      return () => removeEventListener('resize', l)
    },
    () => innerWidth,
  )
}
