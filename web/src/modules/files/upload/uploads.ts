import { useSyncExternalStore } from 'react'
import { newId } from '@/api/newId'
import type { KeptUpload } from '@/offline/kept'
import { kept, onForget } from '@/offline/page'
import { nameOf } from '../paths'
import type { Chosen } from './dropped'
import { open, type Origin } from './origin'
import { arrived, end, reached, send, type Exists, type Trouble } from './send'
import { Tabs } from './tabs'

/** `left`: from before the page was loaded; its file has to be chosen again, or opened. */
export type UploadState = 'left' | 'queued' | 'sending' | 'done' | 'exists' | 'failed'

/** Why what was chosen is not the file that was begun with; `gone`: it is not where it was. */
export type Wrong = 'name' | 'size' | 'changed' | 'gone'

export interface Upload {
  id: string
  path: string
  size: number
  sent: number
  state: UploadState
  /** Of one that was left: its file can be opened without being chosen. */
  known?: boolean
  /** The server had no more of what had come: it begins anew. */
  anew?: boolean
  wrong?: Wrong
  /** Why it failed: the code, and the server's words. */
  code?: string
  detail?: string
}

/** What the uploads need of the world. */
export interface Desk {
  kept: { keepUploads(u: readonly KeptUpload[]): Promise<void>; dropUploads(ids: readonly string[]): Promise<void>; uploads(): Promise<KeptUpload[]> }
  tabs: Pick<Tabs, 'mine' | 'hold' | 'others' | 'gone' | 'alone'>
  server: { send: typeof send; end: typeof end; reached: typeof reached; arrived: typeof arrived }
  open: (origin: Origin, ask: boolean) => Promise<File | 'refused' | 'gone'>
}

interface Held {
  record: KeptUpload
  file?: File
  stop?: () => void
}

const atOnce = 3
/** So many unfinished ones of a person the server takes; more are not kept over a reload. */
const mostKept = 1000

/**
 * The uploads of a page. They speak tus: a connection that was lost goes on
 * where it stood, and so does one that the page did not live to finish.
 */
export class Uploads {
  #all: readonly Upload[] = []
  #held = new Map<string, Held>()
  #listeners = new Set<() => void>()
  #awaited = new Set<string>()
  #onDone: (path: string) => void = () => {}

  constructor(private readonly desk: Desk) {}

  get = () => this.#all
  subscribe = (l: () => void): (() => void) => {
    this.#listeners.add(l)
    return () => this.#listeners.delete(l)
  }
  onDone(call: (path: string) => void): void {
    this.#onDone = call
  }

  /** Finds what was not finished, and goes on with what can be opened unasked. */
  look = async (): Promise<void> => {
    const others = await this.desk.tabs.others()
    const found = (await this.desk.kept.uploads()).filter((r) => r.tab !== this.desk.tabs.mine && !this.#held.has(r.id))
    const left = found.filter((r) => !others.has(r.tab))
    for (const tab of new Set(found.map((r) => r.tab))) if (others.has(tab)) this.#await(tab)
    for (const r of left) this.#held.set(r.id, { record: r })
    this.#become([...left.map((r): Upload => ({ id: r.id, path: r.path, size: r.size, sent: r.sent, state: 'left', known: r.origin !== undefined })), ...this.#all])
    void this.#ask(left)
    void this.#openAll(left.map((r) => r.id))
  }

  /** Files to send. One of which a part was sent before goes on. */
  async add(files: readonly Chosen[]): Promise<void> {
    await this.look()
    const left = new Map(this.#all.filter((u) => u.state === 'left').map((u) => [u.path, u.id]))
    const again: Taken[] = []
    const fresh: KeptUpload[] = []
    for (const { file, path, origin } of files) {
      const id = left.get(path)
      const before = id === undefined ? undefined : this.#held.get(id)
      if (before && wrongOf(before.record, file) === null) again.push({ id: before.record.id, file, origin })
      else {
        const record: KeptUpload = { id: newId(), tab: this.desk.tabs.mine, path, size: file.size, modified: file.lastModified, exists: 'refuse', sent: 0, origin }
        this.#held.set(record.id, { record, file })
        fresh.push(record)
      }
    }
    this.#become([...this.#all, ...fresh.map((r): Upload => ({ id: r.id, path: r.path, size: r.size, sent: 0, state: 'queued' }))])
    this.#next()
    await this.desk.tabs.hold()
    // Some may be done by now.
    await this.desk.kept.keepUploads(fresh.slice(0, mostKept).flatMap((r) => this.#held.get(r.id)?.record ?? []))
    await this.#takeUp(again)
  }

  /** Goes on with one that was left, from a file that was chosen for it. */
  async choose(id: string, { file, origin }: { file: File; origin?: Origin }): Promise<void> {
    const held = this.#held.get(id)
    if (!held) return
    const wrong = wrongOf(held.record, file)
    if (wrong) this.#change(id, { wrong })
    else await this.#takeUp([{ id, file, origin }])
  }

  /** Goes on with all that are among the files; says how many are. A folder's files name the way to them. */
  async chooseAll(files: readonly Chosen[]): Promise<number> {
    const left = new Set(this.#all.filter((u) => u.state === 'left').map((u) => u.id))
    const taken: Taken[] = []
    for (const { file, path, origin } of files)
      for (const id of left) {
        const { record } = this.#held.get(id)!
        if (wrongOf(record, file) !== null || !`/${record.path}`.endsWith(`/${path}`)) continue
        taken.push({ id, file, origin })
        left.delete(id)
        break
      }
    await this.#takeUp(taken)
    return taken.length
  }

  /** Goes on with one whose file the browser can open, after it has asked. */
  async goOn(id: string): Promise<void> {
    await this.#openOne(id, true)
    // The permission may be that of a folder.
    await this.#openAll(this.#all.filter((u) => u.state === 'left' && u.known).map((u) => u.id))
  }

  /** Again, after it failed or with a word on what is there. */
  retry(id: string, exists?: Exists): void {
    const held = this.#held.get(id)
    if (!held?.file) return
    if (exists) this.#record(id, { exists })
    this.#change(id, { state: 'queued', code: undefined, detail: undefined })
    this.#next()
  }

  /** Ends one, and what the server has of it. */
  cancel(id: string): void {
    const held = this.#held.get(id)
    this.#drop(id)
    this.#become(this.#all.filter((u) => u.id !== id))
    held?.stop?.()
    if (held?.record.url !== undefined) void this.desk.server.end(held.record.url)
    this.#next()
  }

  clear(): void {
    this.#become(this.#all.filter((u) => u.state !== 'done'))
  }

  /** Nobody is signed in any more. */
  stop(): void {
    for (const h of this.#held.values()) h.stop?.()
    this.#held.clear()
    this.#become([])
  }

  /** Whether leaving the page would have somebody choose a file again. */
  get losing(): boolean {
    return this.#all.some((u) => (u.state === 'sending' || u.state === 'queued') && !this.#held.get(u.id)?.record.origin)
  }

  #become(next: readonly Upload[]): void {
    this.#all = next
    for (const l of this.#listeners) l()
  }

  #change(id: string, change: Partial<Upload>): void {
    this.#become(this.#all.map((u) => (u.id === id ? { ...u, ...change } : u)))
  }

  #record(id: string, change: Partial<KeptUpload>): void {
    const held = this.#held.get(id)
    if (!held) return
    held.record = { ...held.record, ...change }
    void this.desk.kept.keepUploads([held.record])
  }

  #drop(id: string): void {
    this.#held.delete(id)
    void this.desk.kept.dropUploads([id])
  }

  /** What another tab is at is its own until it is gone. */
  #await(tab: string): void {
    if (this.#awaited.has(tab)) return
    this.#awaited.add(tab)
    void this.desk.tabs.gone(tab).then(this.look)
  }

  /** What was kept may be older than what the server has. */
  async #ask(left: readonly KeptUpload[]): Promise<void> {
    for (const { id, url } of left) {
      if (url === undefined || !this.#isLeft(id)) continue
      const sent = await this.desk.server.reached(url)
      if (sent === null || !this.#isLeft(id)) continue
      if (sent !== 'gone') this.#change(id, { sent })
      else if (await this.#hasArrived(id)) this.#finish(id)
      else this.#lost(id)
    }
  }

  #isLeft(id: string): boolean {
    return this.#all.some((u) => u.id === id && u.state === 'left')
  }

  /** Nothing was there when it began, so what is there now is it. */
  async #hasArrived(id: string): Promise<boolean> {
    const r = this.#held.get(id)?.record
    return r !== undefined && r.exists === 'refuse' && (await this.desk.server.arrived(r.path, r.size))
  }

  #lost(id: string): void {
    this.#record(id, { url: undefined, sent: 0 })
    this.#change(id, { sent: 0, anew: true })
  }

  async #openAll(ids: readonly string[]): Promise<void> {
    for (const id of ids) await this.#openOne(id, false)
  }

  async #openOne(id: string, ask: boolean): Promise<void> {
    const origin = this.#held.get(id)?.record.origin
    if (!origin || !this.#isLeft(id)) return
    const file = await this.desk.open(origin, ask)
    if (file === 'gone') this.#change(id, { wrong: 'gone', known: false })
    else if (file !== 'refused' && this.#isLeft(id)) await this.choose(id, { file, origin })
  }

  /** Makes uploads that were left this tab's own; what another tab has taken or ended meanwhile is no more of ours. */
  async #takeUp(taken: readonly Taken[]): Promise<void> {
    if (taken.length === 0) return
    await this.desk.tabs.hold()
    const mine = await this.desk.tabs.alone(async () => {
      const [others, records] = [await this.desk.tabs.others(), new Map((await this.desk.kept.uploads()).map((r) => [r.id, r]))]
      const free = taken.filter(({ id }) => this.#isLeft(id) && records.has(id) && !others.has(records.get(id)!.tab))
      await this.desk.kept.keepUploads(free.map(({ id, origin }) => ({ ...this.#held.get(id)!.record, tab: this.desk.tabs.mine, ...(origin && { origin }) })))
      return free
    })
    for (const { id, file, origin } of mine) {
      const held = this.#held.get(id)
      if (held) this.#held.set(id, { record: { ...held.record, tab: this.desk.tabs.mine, ...(origin && { origin }) }, file })
    }
    const [ours, asked] = [new Set(mine.map((t) => t.id)), new Set(taken.map((t) => t.id))]
    for (const id of asked) if (!ours.has(id) && this.#isLeft(id)) this.#held.delete(id)
    this.#become(this.#all.flatMap((u) => (ours.has(u.id) ? [{ ...u, state: 'queued' as const, wrong: undefined }] : asked.has(u.id) && u.state === 'left' ? [] : [u])))
    this.#next()
  }

  #next(): void {
    const free = atOnce - this.#all.filter((u) => u.state === 'sending').length
    for (const u of this.#all.filter((x) => x.state === 'queued').slice(0, Math.max(0, free))) this.#start(u.id)
  }

  #start(id: string): void {
    const held = this.#held.get(id)
    if (!held?.file) return
    this.#change(id, { state: 'sending' })
    const { path, exists, url } = held.record
    held.stop = this.desk.server.send(
      { file: held.file, path, exists, url },
      {
        onUrl: (at) => at !== held.record.url && this.#record(id, { url: at, sent: 0 }),
        onProgress: (sent) => this.#change(id, { sent }),
        onPiece: (sent) => this.#record(id, { sent }),
        onDone: () => this.#finish(id),
        onTrouble: (t) => void this.#trouble(id, t),
      },
    )
  }

  #finish(id: string): void {
    const done = this.#all.find((u) => u.id === id)
    this.#drop(id)
    this.#change(id, { state: 'done', sent: done?.size ?? 0, wrong: undefined })
    if (done) this.#onDone(done.path)
    this.#next()
  }

  async #trouble(id: string, { kind, code, detail }: Trouble): Promise<void> {
    if (kind === 'gone') {
      if (await this.#hasArrived(id)) return this.#finish(id)
      const again = this.#all.find((u) => u.id === id)?.anew !== true // once, and not for ever
      this.#lost(id)
      this.#change(id, again ? { state: 'queued' } : { state: 'failed', code, detail })
    } else this.#change(id, { state: kind === 'exists' ? 'exists' : 'failed', code, detail })
    this.#next()
  }
}

interface Taken {
  id: string
  file: File
  origin?: Origin
}

/** What tells a file from the one that an upload began with; null: nothing. */
export function wrongOf(r: KeptUpload, file: Pick<File, 'name' | 'size' | 'lastModified'>): Wrong | null {
  if (file.name !== nameOf(r.path)) return 'name'
  if (file.size !== r.size) return 'size'
  return file.lastModified === r.modified ? null : 'changed'
}

const server = { send, end, reached, arrived }
const tabs = new Tabs(typeof navigator === 'undefined' ? undefined : (navigator.locks as LockManager | undefined))
const all = new Map<number, Uploads>()
const passing = new Set<Uploads>()

export function uploadsOf(userId: number): Uploads {
  let u = all.get(userId)
  if (!u) all.set(userId, (u = new Uploads({ kept, tabs, server, open })))
  return u
}

/** Uploads of a part of the page that does not outlive it: nothing of them is kept. */
export function passingUploads(): Uploads {
  const nothing = () => Promise.resolve()
  const u = new Uploads({ kept: { keepUploads: nothing, dropUploads: nothing, uploads: () => Promise.resolve([]) }, tabs, server, open })
  passing.add(u)
  return u
}

onForget(() => {
  for (const u of [...all.values(), ...passing]) u.stop()
  all.clear()
  passing.clear()
})

if (typeof window !== 'undefined') window.addEventListener('beforeunload', (e) => [...all.values(), ...passing].some((u) => u.losing) && e.preventDefault())

export function useUploads(userId: number): readonly Upload[] {
  const uploads = uploadsOf(userId)
  return useSyncExternalStore(uploads.subscribe, uploads.get)
}
