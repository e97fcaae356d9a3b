import { newId } from '@/api/newId'

const prefix = 'carrel-uploads-'

/**
 * Which tabs of this browser are at uploads: each holds a lock, which goes with
 * the tab however that ends. Where there are no locks (plain http), no other
 * tab is known.
 */
export class Tabs {
  readonly mine = newId()
  #held: Promise<void> | undefined

  constructor(private readonly locks: LockManager | undefined) {}

  /** From now on others see that this one is at work. */
  hold(): Promise<void> {
    const { locks } = this
    this.#held ??= locks ? new Promise((held) => void locks.request(prefix + this.mine, () => (held(), new Promise<never>(() => {})))) : Promise.resolve()
    return this.#held
  }

  async others(): Promise<Set<string>> {
    const names = (await this.locks?.query())?.held?.flatMap((l) => (l.name?.startsWith(prefix) ? [l.name.slice(prefix.length)] : [])) ?? []
    return new Set(names.filter((n) => n !== this.mine))
  }

  /** When that tab is gone. */
  async gone(tab: string): Promise<void> {
    await this.locks?.request(prefix + tab, { mode: 'shared' }, () => {})
  }

  /** Runs something while no other tab runs its own. */
  alone<T>(act: () => Promise<T>): Promise<T> {
    return this.locks ? (this.locks.request('carrel-uploads', act) as Promise<T>) : act()
  }
}
