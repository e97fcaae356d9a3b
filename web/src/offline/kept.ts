import type { Me, Project, Session } from '@/api/wire'
import type { Todos } from '@/conversation/model'
import type { Event } from '@/conversation/reduce'
import { within } from './lean'

/** The lists as they were last seen, and when. */
export interface KeptLists {
  at: number
  me: Me
  sessions: Session[]
  /** Not there: they were never asked for, which is not to have none. */
  projects?: Project[]
}

/** The end of a conversation as it was last read, and when. */
export interface KeptConversation {
  at: number
  events: Event[]
  /** What is to be done: the events are too lean to tell. */
  todos?: Todos
}

/** An upload that was not finished: the file itself stays where it was. */
export interface KeptUpload {
  id: string
  /** The tab that is or was at it. */
  tab: string
  path: string
  size: number
  /** When the file was last changed, in milliseconds. */
  modified: number
  exists: 'refuse' | 'replace' | 'keep'
  /** How much the server has of it, as far as is known, and where. */
  sent: number
  url?: string
  /** Where the file is, if the browser says it. */
  origin?: { handle: FileSystemHandle; within: string }
}

/** Where it is kept: IndexedDB. */
export interface Shelf {
  get(key: string): Promise<unknown>
  set(key: string, value: unknown): Promise<void>
  del(key: string): Promise<void>
  clear(): Promise<void>
  entries(): Promise<[string, unknown][]>
}

export const mostConversations = 10
const mostSessions = 200
const mostEvents = 400
export const maxConversationChars = 1 << 20

/**
 * What outlives the page: the lists and the conversations that were last read,
 * to be shown without a server, and uploads that were not finished. It is one person's. Nothing is written before that person is
 * known, or after another tab has signed them out.
 */
export class Kept {
  private owner: number | null = null
  private order: Promise<unknown> = Promise.resolve()

  constructor(private readonly shelf: Shelf | null) {}

  /** Somebody is signed in: what was kept of anybody else goes. */
  belongTo(id: number): Promise<void> {
    return this.inOrder(async (shelf) => {
      if ((await shelf.get('owner')) !== id) {
        await shelf.clear()
        await shelf.set('owner', id)
      }
      this.owner = id
    })
  }

  /** Nobody is signed in any more. */
  forget(): Promise<void> {
    this.owner = null
    return this.inOrder((shelf) => shelf.clear())
  }

  keepLists(lists: KeptLists): Promise<void> {
    return this.asOwner(async (shelf) => {
      const before = (await shelf.get('lists')) as KeptLists | undefined
      await shelf.set('lists', { ...lists, sessions: lists.sessions.slice(0, mostSessions), projects: lists.projects ?? before?.projects })
    })
  }

  keepConversation(id: string, c: KeptConversation): Promise<void> {
    return this.asOwner(async (shelf) => {
      const read = [id, ...((await shelf.get('read')) as string[] | undefined ?? []).filter((x) => x !== id)]
      await shelf.set('read', read.slice(0, mostConversations))
      for (const gone of read.slice(mostConversations)) await shelf.del(`c:${gone}`)
      await shelf.set(`c:${id}`, { ...c, events: within(c.events.slice(-mostEvents), maxConversationChars) })
    })
  }

  dropConversation(id: string): Promise<void> {
    return this.asOwner((shelf) => shelf.del(`c:${id}`))
  }

  /** What is kept, of whoever was signed in last. */
  lists(): Promise<KeptLists | undefined> {
    return this.inOrder(async (shelf) => {
      const lists = (await shelf.get('lists')) as KeptLists | undefined
      if (lists) this.owner = lists.me.id
      return lists
    })
  }

  conversation(id: string): Promise<KeptConversation | undefined> {
    return this.inOrder(async (shelf) => (await shelf.get(`c:${id}`)) as KeptConversation | undefined)
  }

  async keepUploads(uploads: readonly KeptUpload[]): Promise<void> {
    await this.asOwner(async (shelf) => {
      for (const u of uploads) await shelf.set(`u:${u.id}`, u)
    })
  }

  async dropUploads(ids: readonly string[]): Promise<void> {
    await this.asOwner(async (shelf) => {
      for (const id of ids) await shelf.del(`u:${id}`)
    })
  }

  async uploads(): Promise<KeptUpload[]> {
    return (await this.asOwner(async (shelf) => (await shelf.entries()).flatMap(([key, u]) => (key.startsWith('u:') ? [u as KeptUpload] : [])))) ?? []
  }

  private asOwner<T>(act: (shelf: Shelf) => Promise<T>): Promise<T | undefined> {
    return this.inOrder(async (shelf) => (this.owner !== null && (await shelf.get('owner')) === this.owner ? act(shelf) : undefined))
  }

  /** One after the other, and without complaint: a device that keeps nothing loses only this. */
  private async inOrder<T>(act: (shelf: Shelf) => Promise<T>): Promise<T | undefined> {
    const { shelf } = this
    if (!shelf) return undefined
    const done = this.order.then(() => act(shelf)).catch(() => undefined)
    this.order = done
    return done
  }
}
