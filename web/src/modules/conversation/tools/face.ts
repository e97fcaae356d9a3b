import type { IconName } from '@/components/Icon'
import type { Patch } from '@/components/code/diff'
import { patchOf, patchOfNew, patchOfResult } from '@/components/code/diff'
import { plain } from '@/components/plain'
import { list, num, obj, partialObject, str, type Obj } from '@/conversation/json'
import type { ToolRow } from '@/conversation/model'
import { compact, number } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'

/** What one line says of a tool call: what is done, to what, and how large it is. */
export interface Face {
  icon: IconName
  verb: string
  object: string
  note?: string
  patch?: Patch
}

type Maker = (input: Obj, row: ToolRow | null, cwd: string | null) => Face

const file = (icon: IconName, verb: () => string): Maker => (input, _row, cwd) => ({ icon, verb: verb(), object: shortPath(str(input.file_path) ?? str(input.notebook_path) ?? str(input.path) ?? '', cwd) })
const named = (icon: IconName, verb: () => string, key: string): Maker => (input) => ({ icon, verb: verb(), object: str(input[key]) ?? '' })

/** The tools that have a face of their own. The rest get a generic one. */
const faces: Record<string, Maker> = {
  Bash: (input, row) => ({ icon: 'right', verb: row?.status === 'background' ? m.tool_run_background() : m.tool_run(), object: firstLine(str(input.command) ?? ''), note: exitOf(row) }),
  BashOutput: named('right', () => m.tool_output(), 'bash_id'),
  KillShell: named('stop', () => m.tool_kill(), 'shell_id'),
  TaskStop: named('stop', () => m.tool_kill(), 'task_id'),
  Read: (input, row, cwd) => ({ ...file('file', () => m.tool_read())(input, row, cwd), note: linesOf(row) }),
  NotebookRead: file('file', () => m.tool_read()),
  LS: file('folder', () => m.tool_list()),
  Edit: (input, row, cwd) => edited(m.tool_edit(), input, row, cwd),
  MultiEdit: (input, row, cwd) => edited(m.tool_edit(), input, row, cwd),
  Write: (input, row, cwd) => edited(m.tool_write(), input, row, cwd),
  NotebookEdit: file('pen', () => m.tool_edit()),
  Grep: named('list', () => m.tool_search(), 'pattern'),
  Glob: named('list', () => m.tool_find(), 'pattern'),
  WebFetch: named('right', () => m.tool_fetch(), 'url'),
  WebSearch: named('list', () => m.tool_web_search(), 'query'),
  ToolSearch: named('list', () => m.tool_search(), 'query'),
  Agent: (input, row) => ({ icon: 'users', verb: m.tool_agent(), object: str(input.description) ?? '', note: agentNote(row) }),
  Task: (input, row) => ({ icon: 'users', verb: m.tool_agent(), object: str(input.description) ?? '', note: agentNote(row) }),
  TodoWrite: (input) => ({ icon: 'list', verb: m.tool_todo(), object: todoNote(input) }),
  TaskCreate: named('list', () => m.tool_task_new(), 'subject'),
  TaskUpdate: (input) => ({ icon: 'list', verb: m.tool_task_change(), object: [str(input.taskId) && `#${str(input.taskId)}`, str(input.subject), str(input.status)].filter(Boolean).join(' ') }),
  TaskList: () => ({ icon: 'list', verb: m.tool_task_list(), object: '' }),
  TaskGet: named('list', () => m.tool_task_list(), 'taskId'),
  AskUserQuestion: (input) => ({ icon: 'chat', verb: m.tool_ask(), object: list(input.questions).map((q) => str(obj(q).question) ?? str(obj(q).header) ?? '').join(' · ') }),
  ExitPlanMode: () => ({ icon: 'pen', verb: m.tool_plan(), object: '' }),
  EnterPlanMode: () => ({ icon: 'pen', verb: m.tool_plan_enter(), object: '' }),
  Skill: (input) => ({ icon: 'right', verb: m.tool_skill(), object: str(input.skill) ?? str(input.command) ?? '' }),
}

export function faceOf(row: ToolRow, cwd: string | null): Face {
  return face(row.name, inputOf(row), row, cwd)
}

/** A call that is only asked for yet. */
export function faceOfRequest(name: string, input: Obj, cwd: string | null): Face {
  return face(name, input, null, cwd)
}

/** What is told of a call is what a model wrote: nothing in it may turn or hide the rest. */
function face(name: string, input: Obj, row: ToolRow | null, cwd: string | null): Face {
  const made = make(name, input, row, cwd)
  return { ...made, verb: plain(made.verb), object: plain(made.object) }
}

function make(name: string, input: Obj, row: ToolRow | null, cwd: string | null): Face {
  const maker = Object.hasOwn(faces, name) ? faces[name] : undefined
  if (maker) return maker(input, row, cwd)
  // mcp__server__tool: said as people would.
  const mcp = /^mcp__(.+?)__(.+)$/.exec(name)
  const object = Object.values(input).find((v): v is string => typeof v === 'string') ?? ''
  return { icon: 'box', verb: mcp ? `${mcp[1]} · ${mcp[2]}` : name, object: firstLine(object) }
}

export function inputOf(row: ToolRow): Obj {
  return row.status === 'preparing' && row.inputText !== '' ? partialObject(row.inputText) : row.input
}

function edited(verb: string, input: Obj, row: ToolRow | null, cwd: string | null): Face {
  const result = row?.result && !row.result.isError ? row.result.data : undefined
  const patch = result ? (patchOfResult(result.structuredPatch) ?? (result.type === 'create' ? patchOfNew(str(input.content) ?? '') : patchOfInput(input))) : row?.status === 'preparing' ? undefined : patchOfInput(input)
  return { icon: 'pen', verb, object: shortPath(str(input.file_path) ?? '', cwd), patch }
}

/** Before a call was made only its input is known: what it would take out and put in. */
export function patchOfInput(input: Obj): Patch | undefined {
  if (typeof input.old_string === 'string' || typeof input.new_string === 'string') return patchOf(str(input.old_string) ?? '', str(input.new_string) ?? '')
  if (typeof input.content === 'string') return patchOfNew(input.content)
  const edits = list(input.edits).map(obj)
  if (edits.length === 0) return undefined
  const all = edits.map((e) => patchOf(str(e.old_string) ?? '', str(e.new_string) ?? ''))
  return { hunks: all.flatMap((p) => p.hunks), added: all.reduce((n, p) => n + p.added, 0), removed: all.reduce((n, p) => n + p.removed, 0) }
}

function exitOf(row: ToolRow | null): string | undefined {
  const code = row?.result?.isError ? /^Exit code (\d+)/.exec(row.result.text)?.[1] : undefined
  return code === undefined ? undefined : m.tool_exit({ code })
}

function linesOf(row: ToolRow | null): string | undefined {
  const n = num(obj(row?.result?.data.file).numLines)
  return n === undefined ? undefined : m.lines({ count: number(n) })
}

function agentNote(row: ToolRow | null): string | undefined {
  if (!row?.task) return undefined
  const parts = []
  if (row.task.toolUses) parts.push(m.tool_uses({ count: number(row.task.toolUses) }))
  if (row.task.tokens) parts.push(m.tokens({ count: compact(row.task.tokens) }))
  return parts.join(' · ') || undefined
}

function todoNote(input: Obj): string {
  const todos = list(input.todos).map(obj)
  const done = todos.filter((t) => t.status === 'completed').length
  return m.todo_progress({ done: number(done), all: number(todos.length) })
}

export function firstLine(text: string): string {
  const trimmed = text.trim()
  const end = trimmed.indexOf('\n')
  return end < 0 ? trimmed : `${trimmed.slice(0, end)} …`
}

/** A path as the project sees it. */
export function shortPath(path: string, cwd: string | null): string {
  if (cwd && path === cwd) return '.'
  return cwd && path.startsWith(`${cwd}/`) ? path.slice(cwd.length + 1) : path
}
