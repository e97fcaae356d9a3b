import { memo, useState } from 'react'
import { Button } from '@/components/Button'
import { Coded } from '@/components/Coded'
import { CopyButton } from '@/components/CopyButton'
import { Icon } from '@/components/Icon'
import { Picture } from '@/components/Picture'
import { Markdown } from '@/components/markdown/Markdown'
import { textOf, type ErrorRow, type NoteRow, type PromptRow, type RawRow, type Row, type TextRow, type ThinkingRow } from '@/conversation/model'
import type { ReadsRow, TimelineRow } from '@/conversation/rows'
import { compact, duration, number } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { problemTitle } from '@/i18n/problem'
import { picturesLost } from '@/stream/outbox'
import { stream, useLink } from '@/stream/page'
import { drafts } from './draft'
import { choicesOf, type Choices } from './onTheWay'
import { contentOf, picturesOf } from './pictures'
import { PromptMenu } from './PromptMenu'
import { useSessionId } from './SessionId'
import { errorTitle } from './words'
import { ToolCard } from './tools/ToolCard'

/** One row of the timeline. It is drawn again only when its row is another object. */
export const RowView = memo(function RowView({ row, cwd, nested = false, again = null }: { row: TimelineRow | Row; cwd: string | null; nested?: boolean; again?: PromptRow | null }) {
  switch (row.kind) {
    case 'prompt':
      return <PromptView row={row} />
    case 'text':
      return <TextView row={row} nested={nested} />
    case 'thinking':
      return <ThinkingView row={row} />
    case 'tool':
      return <ToolCard row={row} cwd={cwd} nested={nested} />
    case 'reads':
      return <ReadsView row={row} cwd={cwd} />
    case 'error':
      return <ErrorView row={row} again={again} />
    case 'note':
      return <NoteView row={row} />
    case 'raw':
      return <RawView row={row} />
    default: {
      const never: never = row
      return never
    }
  }
})

export function PromptView({ row }: { row: PromptRow }) {
  const text = textOf(row)
  const waits = row.status !== 'started'
  return (
    <div className="group flex flex-col items-end gap-1">
      <div className="flex max-w-[92%] items-start">
      {!waits && <PromptMenu row={row} text={commandText(text)} />}
      <div className={`min-w-0 rounded-card bg-sunken px-4 py-2 whitespace-pre-wrap [overflow-wrap:anywhere] ${waits && row.status !== 'failed' ? 'opacity-75' : ''}`}>
        {/* By headings one goes from prompt to prompt. */}
        <h2 className="sr-only">{m.you_said()} </h2>
        {commandText(text)}
        {row.blocks.map((b, i) => {
          if (b.type === 'image') return b.data ? <Picture key={i} mediaType={b.mediaType} data={b.data} alt={m.attached_picture()} className="mt-2 max-h-60 rounded-control" /> : <span key={i} className="block text-minor text-muted">{m.attached_picture()}</span>
          if (b.type === 'document') return <span key={i} className="block text-minor text-muted">{m.attached_document({ name: b.title })}</span>
          return null
        })}
      </div>
      </div>
      {waits && <PromptState row={row} />}
    </div>
  )
}

/** A command of the CLI is replayed as tags; people typed `/name args`. */
function commandText(text: string): string {
  const name = /<command-name>([\s\S]*?)<\/command-name>/.exec(text)?.[1]
  if (name === undefined) return text
  const args = /<command-args>([\s\S]*?)<\/command-args>/.exec(text)?.[1] ?? ''
  return `${name} ${args}`.trim()
}

function PromptState({ row }: { row: PromptRow }) {
  switch (row.status) {
    case 'sending':
      return <Sending row={row} />
    case 'sent':
    case 'queued':
      return <p className="text-small text-muted">{m.prompt_sent()}</p>
    case 'started':
      return null
    case 'failed':
      return (
        <div className="flex max-w-[85%] flex-col items-end gap-1 text-end text-minor">
          <p className="text-danger">
            {row.problem ? m.two_sentences({ first: m.prompt_failed(), second: whyNotSent(row.problem.code) }) : m.prompt_failed()}
          </p>
          {row.problem?.detail && <p className="text-muted"><Coded text={row.problem.detail} /></p>}
          <OnTheWay row={row} choices={choicesOf(row, true)} drop={m.prompt_discard()} />
        </div>
      )
  }
}

function whyNotSent(code: string): string {
  switch (code) {
    case 'too_large':
      return m.prompt_too_large()
    case picturesLost:
      return m.prompt_pictures_lost()
  }
  return problemTitle(code)
}

/** Without a connection one may think better of it. What the server may have already can be withdrawn only once it says so. */
function Sending({ row }: { row: PromptRow }) {
  const connected = useLink().status === 'open'
  const choices = choicesOf(row, connected)
  return (
    <div className="flex max-w-[85%] flex-col items-end gap-1 text-end text-small text-muted">
      <p>{m.prompt_sending()}</p>
      {!connected && row.free !== undefined && <p>{row.free ? m.prompt_held() : m.prompt_unsure()}</p>}
      <OnTheWay row={row} choices={choices} drop={m.prompt_withdraw()} />
    </div>
  )
}

function OnTheWay({ row, choices, drop }: { row: PromptRow; choices: Choices; drop: string }) {
  const sessionId = useSessionId()
  const edit = () => {
    stream.discard(row.id)
    drafts.edit(sessionId, textOf(row), picturesOf(row.blocks))
    document.querySelector<HTMLTextAreaElement>('[data-composer]')?.focus()
  }
  return (
    <div className="flex gap-2 empty:hidden">
      {choices.drop && (
        <Button look="plain" onClick={() => stream.discard(row.id)}>
          {drop}
        </Button>
      )}
      {choices.edit && (
        <Button look={choices.again ? 'plain' : undefined} onClick={edit}>
          {m.prompt_edit()}
        </Button>
      )}
      {choices.again && <Button onClick={() => stream.retry(row.id)}>{m.prompt_retry()}</Button>}
    </div>
  )
}

function TextView({ row, nested }: { row: TextRow; nested: boolean }) {
  return (
    <div className={`group relative ${nested ? 'text-minor' : ''}`}>
      <Markdown text={row.aborted ? `${row.text.trimEnd()} …` : row.text} live={row.live} />
      {!row.live && !nested && (
        // At a desk at the end of the last line: below a short answer there is no room for it.
        <div className="-ms-3.5 transition-opacity focus-within:opacity-100 group-hover:opacity-100 desk:mouse:absolute desk:mouse:end-0 desk:mouse:bottom-0 desk:mouse:ms-0 desk:mouse:flex desk:mouse:rounded-control desk:mouse:bg-surface desk:mouse:opacity-0">
          <CopyButton text={row.text} className="desk:mouse:size-6!" />
        </div>
      )}
    </div>
  )
}

function ThinkingView({ row }: { row: ThinkingRow }) {
  const [open, setOpen] = useState(false)
  const title = row.live ? m.thinking_now() : row.durationMs && row.durationMs >= 1000 ? m.thought_for({ time: duration(row.durationMs) }) : m.thought()
  return (
    <div className="text-minor text-muted">
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)} disabled={row.text === ''} className="-mx-1 inline-flex min-h-11 items-center gap-1.5 rounded-control px-1 hover:text-content desk:min-h-6">
        <Icon name="right" size={13} className={`transition-transform ${open ? 'rotate-90' : ''} ${row.text === '' ? 'opacity-0' : ''}`} />
        <span className={row.live ? 'animate-glow' : ''}>{title}</span>
      </button>
      {open && (
        <div className="mt-1 border-s-2 ps-3">
          <Markdown text={row.text} live={row.live} />
        </div>
      )}
    </div>
  )
}

function ReadsView({ row, cwd }: { row: ReadsRow; cwd: string | null }) {
  const [open, setOpen] = useState(false)
  const reads = row.calls.filter((c) => c.name === 'Read').length
  const title = reads === row.calls.length ? m.reads_files({ count: reads }) : m.reads_looks({ count: row.calls.length })
  return (
    <div className="overflow-hidden rounded-card border">
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)} className="flex min-h-11 w-full items-center gap-2 px-3 py-1 text-start text-minor -outline-offset-2 transition-colors hover:bg-hover desk:min-h-9">
        <Icon name="check" size={15} className="text-accent" />
        <span className="flex-1 font-strong">{title}</span>
        <Icon name="chevron" size={14} className={`text-muted transition-transform ${open ? 'rotate-180' : ''}`} />
      </button>
      {open && (
        <div className="flex flex-col gap-2 border-t p-2">
          {row.calls.map((call) => (
            <ToolCard key={call.key} row={call} cwd={cwd} nested />
          ))}
        </div>
      )}
    </div>
  )
}

function ErrorView({ row, again }: { row: ErrorRow; again: PromptRow | null }) {
  const sessionId = useSessionId()
  const title = row.source === 'carrel' ? problemTitle(row.code) : errorTitle(row)
  return (
    <div role="alert" className="flex gap-3 rounded-card border border-danger/50 bg-removed px-4 py-3 text-minor">
      <Icon name="warn" className="text-danger" />
      <div className="min-w-0 [overflow-wrap:anywhere]">
        <p className="font-strong">{title}</p>
        {row.text !== '' && (
          <p className="mt-0.5 text-muted">
            <Coded text={row.text} />
          </p>
        )}
        {/* A double click sends it once. */}
        {again && (
          <Button className="mt-2" onClick={(e) => e.detail < 2 && stream.prompt(sessionId, contentOf(commandText(textOf(again)), picturesOf(again.blocks)))}>
            {m.prompt_again()}
          </Button>
        )}
      </div>
    </div>
  )
}

function NoteView({ row }: { row: NoteRow }) {
  return (
    <div className="flex items-center gap-3 text-small text-muted">
      <span className="h-px flex-1 bg-line" />
      <span className="max-w-[80%] text-center">{noteText(row)}</span>
      <span className="h-px flex-1 bg-line" />
    </div>
  )
}

function noteText(row: NoteRow): string {
  switch (row.note) {
    case 'stopped':
      return m.note_stopped()
    case 'compacted':
      return row.before !== undefined && row.after !== undefined ? m.note_compacted({ before: compact(row.before), after: compact(row.after) }) : m.note_compacted_plain()
    case 'cleared':
      return m.note_cleared()
    case 'taskEnded':
      return row.status === 'completed' ? m.note_task_done({ what: row.text }) : m.note_task_stopped({ what: row.text })
    case 'history':
      return row.before ? m.note_history_left({ count: number(row.before) }) : m.note_history()
    case 'cli':
      return row.text
  }
}

function RawView({ row }: { row: RawRow }) {
  const [open, setOpen] = useState(false)
  return (
    <div className="text-small text-muted">
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)} className="inline-flex min-h-11 items-center gap-1.5 hover:text-content desk:min-h-6">
        <Icon name="right" size={13} className={open ? 'rotate-90' : ''} />
        {m.raw_event()} <code className="font-mono">{row.name}</code>
      </button>
      {open && <pre className="scroller max-h-72 rounded-control bg-sunken p-2 font-mono text-code">{JSON.stringify(row.raw, null, 2)}</pre>}
    </div>
  )
}

export function countOfNew(n: number): string {
  return n > 0 ? m.to_newest_count({ count: number(n) }) : m.to_newest()
}
