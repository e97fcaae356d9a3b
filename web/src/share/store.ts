import { clear, createStore, get, update, type UseStore } from 'idb-keyval'

/** What came from another app and was not put anywhere yet. */
export interface Shared {
  text: string
  files: File[]
  /** When it came, in milliseconds. */
  at: number
}

const key = 'shared'
/** What nobody put anywhere is forgotten after this. */
const keptForMs = 24 * 3600_000
const most = 20

let opened: UseStore | null = null
const store = () => (opened ??= createStore('carrel-shared', 'shared'))

/** Who shares twice in a row finds both. */
export function withShared(before: readonly Shared[] | undefined, next: Shared): Shared[] {
  return [...fresh(before, next.at), next].slice(-most)
}

export function fresh(all: readonly Shared[] | undefined, now: number): Shared[] {
  return (all ?? []).filter((s) => now - s.at < keptForMs)
}

export async function keepShared(what: Omit<Shared, 'at'>): Promise<void> {
  if (what.text === '' && what.files.length === 0) return
  await update<Shared[]>(key, (before) => withShared(before, { ...what, at: Date.now() }), store())
}

export async function readShared(): Promise<Shared[]> {
  return fresh(await get<Shared[]>(key, store()), Date.now())
}

export async function forgetShared(): Promise<void> {
  await clear(store())
}
