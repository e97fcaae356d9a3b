import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { lazy, Suspense, useState, type ReactNode } from 'react'
import { queries } from '@/api/queries'
import { Highlighted } from '@/components/code/Highlighted'
import { languageOfPath } from '@/components/code/languages'
import { Button } from '@/components/Button'
import { Picture } from '@/components/Picture'
import { CopyButton } from '@/components/CopyButton'
import { Loading } from '@/components/Empty'
import { Icon } from '@/components/Icon'
import { Diff } from '@/components/code/Diff'
import type { Patch } from '@/components/code/diff'
import { safeHref } from '@/components/markdown/blocks'
import { toast } from '@/components/Toasts'
import { plain, withoutBidi, withoutEscapes } from '@/components/plain'
import { Markdown } from '@/components/markdown/Markdown'
import { list, obj, str } from '@/conversation/json'
import type { ToolRow } from '@/conversation/model'
import { number } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { stream } from '@/stream/page'
import { RowView } from '../Row'
import { useSessionId } from '../SessionId'
import { inWorkspace } from '../work/changes'
import { inputOf, patchOfInput } from './face'
import { LiveOutput } from './LiveOutput'

const PdfPreview = lazy(() => import('@/modules/files/preview/PdfPreview'))

/** What an opened card shows: a view for each known tool, and a generic one for the rest. */
export function ToolBody({ row, cwd, patch }: { row: ToolRow; cwd: string | null; patch?: Patch }) {
  const input = inputOf(row)
  switch (row.name) {
    case 'Bash':
      return <Command command={str(input.command) ?? ''} row={row} />
    case 'Edit':
    case 'MultiEdit':
    case 'Write': {
      const shown = patch ?? patchOfInput(input)
      return (
        <>
          {shown && <Diff patch={shown} numbers={row.name === 'Write' || row.status === 'done'} />}
          {row.result?.isError && <Output text={row.result.text} failed />}
        </>
      )
    }
    case 'Read': {
      const file = obj(row.result?.data.file)
      const text = str(file.content)
      const path = str(input.file_path) ?? ''
      if (text === undefined)
        return (
          <>
            <Result row={row} />
            {row.status === 'done' && /\.pdf$/i.test(path) && <Pages path={path} cwd={cwd} />}
          </>
        )
      return <Code code={text} language={languageOfPath(path) ?? ''} />
    }
    case 'Agent':
    case 'Task':
      return <Agent row={row} cwd={cwd} />
    case 'TodoWrite':
      return <Todos input={input} />
    case 'AskUserQuestion':
      return <Answers row={row} />
    case 'ExitPlanMode':
      return (
        <>
          <div className="px-4 py-3">
            <Markdown text={str(input.plan) ?? m.plan_empty()} />
          </div>
          {row.status === 'denied' && row.result && <Output text={row.result.text} />}
        </>
      )
    case 'WebSearch': {
      const links = searchLinks(row.result?.data)
      if (links.length === 0) return <Result row={row} />
      return (
        <ul className="px-4 py-2 text-minor">
          {links.map((l) => (
            <li key={l.href} className="py-1">
              <a href={l.href} target="_blank" rel="noopener noreferrer" className="text-info underline">
                {withoutBidi(l.title)}
              </a>{' '}
              <span className="text-muted">{new URL(l.href).host}</span>
            </li>
          ))}
        </ul>
      )
    }
    case 'WebFetch':
      return (
        <>
          {str(input.prompt) && <p className="px-4 pt-3 text-minor text-muted">{str(input.prompt)}</p>}
          {row.result && (
            <div className="px-4 py-3">
              <Markdown text={clean(row.result.text)} />
            </div>
          )}
        </>
      )
    case 'Grep':
    case 'Glob':
    case 'LS':
      return <Result row={row} />
  }
  return (
    <>
      <Labelled label={m.tool_input()}>
        <Code code={JSON.stringify(input, null, 2)} language="json" />
      </Labelled>
      {row.result && (
        <Labelled label={m.tool_result()}>
          <Result row={row} />
        </Labelled>
      )}
    </>
  )
}

function Command({ command, row }: { command: string; row: ToolRow }) {
  const data = row.result?.data ?? {}
  const stdout = str(data.stdout)
  const stderr = str(data.stderr)
  const size = data.persistedOutputSize
  return (
    <>
      <div className="flex items-start bg-sunken">
        <pre className="scroller min-w-0 flex-1 px-3 py-3 font-mono text-code whitespace-pre-wrap [overflow-wrap:anywhere] desk:py-2">
          <span className="text-muted select-none">$ </span>
          <Highlighted code={command} language="bash" live={row.status === 'preparing'} />
        </pre>
        <CopyButton text={command} className="desk:m-0.5" />
      </div>
      {row.result &&
        (stdout === undefined ? (
          <Output text={clean(row.result.text)} failed={row.status === 'failed'} />
        ) : (
          <>
            {stdout !== '' && <Output text={stdout} />}
            {stderr !== undefined && stderr !== '' && <Output text={stderr} failed={row.status === 'failed'} label={m.tool_stderr()} />}
            {stdout === '' && !stderr && row.status !== 'background' && <p className="border-t px-3 py-1.5 text-minor text-muted">{m.tool_no_output()}</p>}
            {typeof size === 'number' && <p className="border-t px-3 py-1.5 text-minor text-muted">{m.tool_output_cut()}</p>}
          </>
        ))}
      {row.task?.running && <LiveOutput task={row.task.id} />}
      {row.task?.background && (
        <div className="flex items-center gap-3 border-t px-3 py-1.5 text-minor text-muted">
          <span className="flex-1">{row.task.running ? m.task_running() : row.task.summary}</span>
          {row.task.running && <StopTask id={row.task.id} />}
        </div>
      )}
    </>
  )
}

export function StopTask({ id }: { id: string }) {
  const sessionId = useSessionId()
  return <Button onClick={() => stream.stopTask(sessionId, id) || toast(m.not_stopped())}>{m.task_stop()}</Button>
}

function Agent({ row, cwd }: { row: ToolRow; cwd: string | null }) {
  const prompt = str(row.input.prompt)
  const report = row.task?.summary || (row.result && !row.task?.background ? clean(row.result.text) : '')
  return (
    <div className="flex flex-col gap-2.5 p-3">
      {prompt && <p className="text-minor whitespace-pre-wrap text-muted">{prompt}</p>}
      {row.children.map((child) => (
        <RowView key={child.key} row={child} cwd={cwd} nested />
      ))}
      {row.task?.running && (
        <div className="flex items-center gap-3 text-minor text-muted">
          <span className="flex-1">{row.task.progress}</span>
          {row.task.background && <StopTask id={row.task.id} />}
        </div>
      )}
      {report !== '' && (
        <div className="border-t pt-2">
          <p className="pb-0.5 text-small font-strong text-muted">{m.agent_report()}</p>
          <Markdown text={report} />
        </div>
      )}
    </div>
  )
}

function Todos({ input }: { input: Record<string, unknown> }) {
  return (
    <ul className="px-4 py-2 text-minor">
      {list(input.todos).map((t, i) => {
        const todo = obj(t)
        return <TodoLine key={i} text={str(todo.content) ?? ''} status={str(todo.status) ?? 'pending'} />
      })}
    </ul>
  )
}

export function TodoLine({ text, status }: { text: string; status: string }) {
  const done = status === 'completed'
  const now = status === 'in_progress'
  return (
    <li className={`flex gap-2 py-0.5 ${done ? 'text-muted' : ''} ${now ? 'font-strong' : ''}`}>
      <span className={done || now ? 'text-accent' : 'text-muted'} aria-hidden="true">
        {done ? '✓' : now ? '◐' : '○'}
      </span>
      <span className="sr-only">{done ? m.todo_done() : now ? m.todo_now() : m.todo_open()}</span>
      <span>{text}</span>
    </li>
  )
}

function Answers({ row }: { row: ToolRow }) {
  const answers = obj(row.result?.data.answers)
  return (
    <dl className="px-4 py-3 text-minor">
      {list(row.input.questions).map((q, i) => {
        const question = str(obj(q).question) ?? ''
        return (
          <div key={i} className="py-1">
            <dt className="text-muted">{question}</dt>
            <dd className="font-strong">{str(answers[question]) ?? '—'}</dd>
          </div>
        )
      })}
      {row.result?.isError && <dd className="pt-1">{clean(row.result.text)}</dd>}
    </dl>
  )
}

/** The pages of a PDF that was read, as they are now; what came to Claude is too large to be kept. */
function Pages({ path, cwd }: { path: string; cwd: string | null }) {
  const project = useQuery(queries.session(useSessionId())).data?.project
  const there = project === undefined ? null : inWorkspace(path, cwd, project)
  if (there === null) return null
  return (
    <div className="flex h-96 flex-col border-t">
      <Suspense fallback={<Loading label={m.loading()} />}>
        <PdfPreview path={there} />
      </Suspense>
      <Link to="/files/$" params={{ _splat: there }} className="flex min-h-11 items-center gap-2 border-t px-3 text-minor hover:bg-hover desk:min-h-9">
        <Icon name="away" size={16} /> {m.work_open_file()}
      </Link>
    </div>
  )
}

function Result({ row }: { row: ToolRow }) {
  if (!row.result) return <p className="px-3 py-2 text-minor text-muted">{row.status === 'running' ? m.tool_running() : m.tool_no_result()}</p>
  return (
    <>
      {row.result.text !== '' && <Output text={clean(row.result.text)} failed={row.status === 'failed'} />}
      {row.result.images.map((image, i) => (
        <Picture key={i} mediaType={image.mediaType} data={image.data} alt={m.tool_image()} className="max-h-96 p-3" />
      ))}
    </>
  )
}

/** The links in the structured result of a web search. */
function searchLinks(data: Record<string, unknown> | undefined): { title: string; href: string }[] {
  return list(data?.results)
    .flatMap((r) => list(obj(r).content))
    .map(obj)
    .flatMap((l) => {
      const href = safeHref(str(l.url) ?? '')
      return href === null ? [] : [{ href, title: str(l.title) ?? href }]
    })
}

const shownChars = 20_000

function Output({ text, failed = false, label }: { text: string; failed?: boolean; label?: string }) {
  const [all, setAll] = useState(false)
  const cut = !all && text.length > shownChars
  return (
    <div className={`border-t first:border-t-0 ${failed ? 'bg-removed' : ''}`}>
      <div className="flex items-start">
        <pre tabIndex={0} aria-label={label} className="scroller max-h-96 min-w-0 flex-1 px-3 py-3 font-mono text-code whitespace-pre-wrap [overflow-wrap:anywhere] desk:py-2">
          {plain(withoutEscapes(cut ? `${text.slice(0, shownChars)}\n…` : text))}
        </pre>
        <CopyButton text={text} className="desk:m-0.5" />
      </div>
      {cut && (
        <div className="p-2">
          <Button onClick={() => setAll(true)}>{m.show_all_lines({ count: number(text.split('\n').length) })}</Button>
        </div>
      )}
    </div>
  )
}

function Code({ code, language }: { code: string; language: string }) {
  return (
    <pre className="scroller max-h-96 px-3 py-2 font-mono text-code" tabIndex={0}>
      <Highlighted code={code} language={language} />
    </pre>
  )
}

function Labelled({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="border-t pt-1.5 first:border-t-0">
      <p className="px-3 text-small font-strong text-muted">{label}</p>
      {children}
    </div>
  )
}

/** The CLI puts words for the model around some texts; people need what is within. */
function clean(text: string): string {
  return text
    .replace(/^<tool_use_error>([\s\S]*)<\/tool_use_error>$/, '$1')
    .replace(/^Exit code \d+\n/, '')
    .trimEnd()
}
