/**
 * The wire: shapes of the public contract by the names that the page uses.
 * All come from our own OpenAPI document (`npm run generate`); what it cannot
 * say of the WebSocket's frames is said here, and nowhere else.
 */
import type { components, paths } from './schema'

export type { paths }

type Schemas = components['schemas']

export type User = Schemas['User']
/** A user with what they have used. */
export type Account = Schemas['Account']
export type Me = Account
export type MeChange = Schemas['MeChange']
export type Role = User['role']
export type Quota = Schemas['Quota']
export type Use = Schemas['Use']
export type SignIn = Schemas['SignIn']
export type Token = Schemas['Token']
export type Project = Schemas['Project']
export type Session = Schemas['Session']
export type TaskOutput = Schemas['TaskOutput']
export type Found = Schemas['Found']
export type FileEntry = Schemas['FileEntry']
export type DeletedFile = Schemas['DeletedFile']
export type FoundLine = Schemas['FoundLine']
export type SessionState = Session['state']
export type Instance = Schemas['Instance']
export type InstanceStatus = Instance['status']
export type Figures = Schemas['Figures']
export type ServerHealth = Schemas['ServerHealth']
export type Span = '1h' | '12h' | '7d'
export type Process = Schemas['Process']
export type Terminal = Schemas['Terminal']
export type Snapshot = Schemas['Snapshot']
export type PushDevice = Schemas['Subscription']
export type PushSettings = Schemas['Settings']
export type Invitation = Schemas['Invitation']
export type AuditEntry = Schemas['AuditEntry']
/** Which entries of the record are asked for. */
export type AuditChoice = Omit<NonNullable<paths['/audit']['get']['parameters']['query']>, 'limit' | 'cursor'>

/** An error of the contract, `application/problem+json`. */
export type Problem = Omit<Schemas['Problem'], 'title'>

/** A page of a list. */
export interface Page<T> {
  items: T[]
  next_cursor: string | null
}

// The WebSocket.

/** A text, or content blocks of the Messages API. */
export type Content = string | readonly Record<string, unknown>[]

export type ClientFrame =
  | { type: 'subscribe'; session_id: string; after: number }
  | { type: 'unsubscribe'; session_id: string }
  | { type: 'prompt'; session_id: string; id: string; content: Content }
  | Wish
  | AnswerFrame
  /** Any answer to it, even that there is no such type, proves that the connection lives. */
  | { type: 'ping' }

/** What is acknowledged by the name that it has. */
export type Wish = { id: string; session_id: string } & ({ type: 'interrupt' } | { type: 'stop'; task_id: string } | { type: 'set'; model?: string; permission_mode?: string; effort?: string })

export interface AnswerFrame {
  type: 'answer'
  /** Named so that an error can say which answer it means. */
  id: string
  session_id: string
  request_id: string
  behavior: 'allow' | 'deny'
  updated_input?: unknown
  updated_permissions?: unknown[]
  message?: string
  interrupt?: boolean
}

export type EventFrame = Schemas['ServerEvent']

// What follows is read leniently: a newer server may say more than this page knows.

export interface NoticeFrame {
  type: 'notice'
  kind: string
  session?: Session
  instance?: unknown
}

export type ServerFrame =
  | { type: 'hello'; user?: unknown; version?: string }
  | EventFrame
  | { type: 'ack'; id: string; seq?: number }
  | { type: 'error'; id?: string; session_id?: string; request_id?: string; code: string; detail: string }
  | NoticeFrame
  | { type: 'other' }
