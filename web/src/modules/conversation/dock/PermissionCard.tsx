import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { queries } from '@/api/queries'
import { maxTextBytes } from '@/api/text'
import { Button } from '@/components/Button'
import { Diff, DiffCount } from '@/components/code/Diff'
import { Highlighted } from '@/components/code/Highlighted'
import { str, type Obj } from '@/conversation/json'
import { m } from '@/i18n/paraglide/messages.js'
import { faceOfRequest, shortPath } from '../tools/face'
import { inWorkspace } from '../work/changes'
import { overwritten, type Overwritten } from './overwritten'
import type { CardProps } from './Dock'
import { Deny } from './Deny'
import { useOpened } from './half'
import { plain } from '@/components/plain'
import { suggestionText } from './suggestions'
import { useCardKeys } from './useCardKeys'

/** Claude asks whether it may: what exactly, why it asks, and what the user can say. */
export function PermissionCard({ half, request, cwd, keys, busy, answer }: CardProps) {
  const denying = useOpened(half, 'denying')
  const face = faceOfRequest(request.toolName, request.input, cwd)
  const over = useOverwritten(request, cwd)
  const patch = over?.patch?.hunks.length ? over.patch : face.patch
  const allow = (always?: Obj) => answer({ behavior: 'allow', updated_input: request.input, ...(always ? { updated_permissions: [always] } : {}) })
  useCardKeys(request.suggestions.length, !keys || busy || denying.open ? null : (c) => (c === 'deny' ? denying.set(true) : allow(c === 'allow' ? undefined : request.suggestions[c])))
  const command = request.toolName === 'Bash' ? str(request.input.command) : undefined
  return (
    <>
      <div className="px-4 pt-3">
        <h3 className="flex items-baseline gap-2 font-strong">
          <span className="flex-1">{title(request.toolName, request.displayName)}</span>
          {patch && (
            <span className="text-minor font-normal">
              <DiffCount patch={patch} />
            </span>
          )}
        </h3>
        <Why request={request} cwd={cwd} shown={[command, patch && face.object]} />
        {over && <p className="text-minor text-wait">{overText(over)}</p>}
      </div>
      <div className="scroller mx-4 my-2 min-h-0 rounded-control border bg-surface">
        {command !== undefined ? (
          <pre className="px-3 py-2 font-mono text-code whitespace-pre-wrap [overflow-wrap:anywhere]" tabIndex={0}>
            <Highlighted code={command} language="bash" />
          </pre>
        ) : patch ? (
          <>
            <p className="border-b px-3 py-1.5 font-mono text-code [overflow-wrap:anywhere]">{face.object}</p>
            <Diff patch={patch} numbers={request.toolName === 'Write'} />
          </>
        ) : (
          <pre className="px-3 py-2 font-mono text-code whitespace-pre-wrap [overflow-wrap:anywhere]" tabIndex={0}>
            <Highlighted code={JSON.stringify(request.input, null, 2)} language="json" />
          </pre>
        )}
      </div>
      {denying.open ? (
        <Deny
          half={half}
          focus={denying.now}
          label={m.deny_word()}
          busy={busy}
          onCancel={() => denying.set(false)}
          onDeny={(message, interrupt) => answer({ behavior: 'deny', message, ...(interrupt ? { interrupt } : {}) })}
        />
      ) : (
        <div className="scroller flex shrink-0 flex-wrap gap-2 px-4 pt-1 pb-4 max-desk:max-h-[min(30dvh,46dvh-7rem)]">
          <Button look="primary" busy={busy} className="max-desk:flex-[1_1_45%]" onClick={() => allow()} aria-keyshortcuts={keys ? 'A' : undefined}>
            {m.allow_once()} {keys && <Key name="A" />}
          </Button>
          <Button look="danger" busy={busy} className="bg-surface max-desk:flex-[1_1_30%]" onClick={() => denying.set(true)} aria-keyshortcuts={keys ? 'D' : undefined}>
            {m.deny_ask()} {keys && <Key name="D" />}
          </Button>
          {request.suggestions.map((s, i) => (
            <Button key={i} busy={busy} className="max-w-full justify-start! text-start [overflow-wrap:anywhere] max-desk:w-full" onClick={() => allow(s)} aria-keyshortcuts={keys && i < 9 ? String(i + 1) : undefined}>
              {plain(suggestionText(s))} {keys && i < 9 && <Key name={String(i + 1)} />}
            </Button>
          ))}
        </div>
      )}
    </>
  )
}

/** The file that would be written anew, if there is one: what of it changes. One that is not in the workspace, or not to be read, is not known. */
function useOverwritten(request: CardProps['request'], cwd: string | null): Overwritten | null {
  const path = request.toolName === 'Write' ? inWorkspace(str(request.input.file_path) ?? '', cwd, cwd?.split('/').at(-1) ?? '') : null
  // Looked for, not asked for: that it is not there is nothing for the browser to log.
  const from = path?.indexOf('/', path.startsWith('projects/') ? 'projects/'.length : 0) ?? -1
  const there = useQuery({ ...queries.filesNamed(path?.slice(from + 1) ?? '', path?.slice(0, Math.max(0, from)) ?? ''), enabled: path !== null, staleTime: 0, retry: false }).data?.items.find((e) => e.path === path)
  const isFile = there?.type === 'file' || there?.type === 'link'
  const isLarge = isFile && there.size_bytes > maxTextBytes
  const { data } = useQuery({ ...queries.fileText(path ?? ''), enabled: isFile && !isLarge, retry: false })
  return useMemo(() => {
    if (!isFile || (!isLarge && !data)) return null
    return overwritten(isLarge ? null : data!.text, str(request.input.content) ?? '')
  }, [isFile, isLarge, data, request])
}

function overText({ lines, patch }: Overwritten): string {
  if (!patch) return m.ask_write_other()
  return patch.hunks.length > 0 ? m.ask_write_over({ count: lines }) : m.ask_write_same()
}

/** The key that does the same, while the keyboard is in the card. */
function Key({ name }: { name: string }) {
  return (
    <kbd aria-hidden className="hidden font-mono text-small font-normal opacity-70 desk:group-focus-within/request:inline">
      {name}
    </kbd>
  )
}

function title(tool: string, displayName: string): string {
  switch (tool) {
    case 'Bash':
      return m.ask_run()
    case 'Edit':
    case 'MultiEdit':
    case 'NotebookEdit':
      return m.ask_edit()
    case 'Write':
      return m.ask_write()
    case 'Read':
      return m.ask_read()
    case 'WebFetch':
      return m.ask_fetch()
    case 'WebSearch':
      return m.ask_search()
  }
  return m.ask_tool({ tool: plain(displayName) })
}

/** Why Claude asks; what the card shows anyway is not said twice. */
function Why({ request, cwd, shown }: Pick<CardProps, 'request' | 'cwd'> & { shown: (string | undefined)[] }) {
  const lines = [
    request.agentId !== undefined && m.ask_subagent(),
    request.description !== undefined && !shown.includes(request.description) && request.description,
    request.reason,
    request.blockedPath !== undefined && m.ask_path({ path: shortPath(request.blockedPath, cwd) }),
  ].filter((l): l is string => typeof l === 'string' && l !== '')
  return (
    <>
      {lines.map((l, i) => (
        <p key={i} className="text-minor [overflow-wrap:anywhere] text-muted">
          {plain(l)}
        </p>
      ))}
    </>
  )
}
