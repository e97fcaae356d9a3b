import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useEffectEvent, useRef, useState, useSyncExternalStore } from 'react'
import { ApiError } from '@/api/client'
import { queries } from '@/api/queries'
import type { Terminal } from '@/api/wire'
import { Button, IconButton } from '@/components/Button'
import { copyText } from '@/components/clipboard'
import { Icon } from '@/components/Icon'
import { getLocale } from '@/i18n/locale'
import { m } from '@/i18n/paraglide/messages.js'
import { composes } from '@/modules/conversation/typing'
import type { Socket } from '@/stream/connection'
import { AskClip, AskLink, AskPaste } from './dialogs'
import { KeyBar } from './KeyBar'
import { nameOf } from './name'
import { Screen } from './screen'
import { useVisibleHeight } from './useVisibleHeight'

interface Props {
  terminal: Terminal
  all: readonly Terminal[]
  hidden: boolean
  focus: boolean
  finding: boolean
  onFinding: (on: boolean) => void
  onLeave: () => void
  onAnew: () => void
}

/** One terminal with what stands around it. */
export default function TerminalView({ terminal, all, hidden, focus, finding, onFinding, onLeave, onAnew }: Props) {
  const client = useQueryClient()
  const host = useRef<HTMLDivElement>(null)
  const root = useRef<HTMLDivElement>(null)
  const [screen, setScreen] = useState<Screen | null>(null)
  const name = nameOf(terminal, all)
  const leave = useEffectEvent(onLeave)
  const search = useEffectEvent(() => onFinding(true))
  const label = useEffectEvent(() => m.terminal_label({ name }))
  const { id } = terminal
  useVisibleHeight(root)
  useEffect(() => {
    const made = new Screen(host.current!, {
      open: (after) => {
        const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:'
        const socket = new WebSocket(`${scheme}//${location.host}/api/v1/terminals/${encodeURIComponent(id)}?after=${after}&lang=${getLocale()}`)
        socket.binaryType = 'arraybuffer'
        return socket as unknown as Socket
      },
      exists: () =>
        client.fetchQuery({ ...queries.terminals(), staleTime: 0 }).then(
          (list) => list.some((t) => t.id === id),
          (e) => !(e instanceof ApiError && e.status === 404),
        ),
      label: label(),
      onLeave: () => leave(),
      onSearch: () => search(),
    })
    setScreen(made)
    return () => made.dispose()
  }, [id, client])
  useEffect(() => {
    // Where there is a keyboard one may type at once; a phone's would cover half of what came to be read.
    if (!hidden && focus && matchMedia('(pointer: fine)').matches) screen?.focus()
  }, [hidden, focus, screen])
  return (
    <div ref={root} id={`panel-${id}`} role="tabpanel" aria-labelledby={`tab-${id}`} hidden={hidden} className={hidden ? 'hidden' : 'flex min-h-0 min-w-0 flex-1 flex-col'}>
      {screen && <Around screen={screen} terminal={terminal} finding={finding} onFinding={onFinding} onAnew={onAnew} />}
      <div className="min-h-0 flex-1 overflow-auto bg-surface p-2">
        <div ref={host} className="h-full touch-none font-mono [text-spacing-trim:space-all]" />
      </div>
      {screen && <Keys screen={screen} />}
    </div>
  )
}

function Keys({ screen }: { screen: Screen }) {
  return <KeyBar screen={screen} view={useSyncExternalStore(screen.subscribe, screen.getView)} />
}

/** What is said above the terminal, and what it asks. */
function Around({ screen, terminal, finding, onFinding, onAnew }: { screen: Screen; terminal: Terminal; finding: boolean; onFinding: (on: boolean) => void; onAnew: () => void }) {
  const client = useQueryClient()
  const view = useSyncExternalStore(screen.subscribe, screen.getView)
  const { state, asks } = view
  const over = state.kind === 'exited' || state.kind === 'gone'
  useEffect(() => {
    if (over) void client.invalidateQueries({ queryKey: queries.terminals().queryKey })
  }, [over, client])
  const asked = asks !== null
  useEffect(() => {
    // The dialog is gone by then, and what was behind it can be focused again.
    return asked ? () => void setTimeout(() => screen.focus()) : undefined
  }, [asked, screen])
  return (
    <>
      {view.title && <p className="shrink-0 truncate border-b px-3 py-1.5 text-minor text-muted">{m.terminal_says({ title: view.title })}</p>}
      {finding && (
        <Find
          screen={screen}
          onClose={() => {
            onFinding(false)
            screen.focus()
          }}
        />
      )}
      <div role="status" className="empty:hidden">
        {state.kind === 'lost' && <Line text={m.terminal_lost()} action={m.link_now()} onAct={() => screen.attachment.wake()} />}
        {state.kind === 'exited' && <Line text={m.terminal_exited({ code: terminal.exited ? terminal.exit_code : state.code })} action={m.terminal_anew()} onAct={onAnew} />}
        {state.kind === 'gone' && <Line text={m.terminal_gone_text()} action={m.terminal_anew()} onAct={onAnew} />}
        {state.kind === 'refused' && <Line text={m.problem_unauthenticated()} />}
        {view.foreign && <Line text={m.terminal_foreign()} action={m.terminal_fit()} onAct={() => screen.lead()} />}
        {view.error && <Line text={view.error} action={m.dismiss()} onAct={() => screen.dismiss()} />}
      </div>
      {asks?.what === 'paste' && <AskPaste text={asks.text} onClose={() => screen.dismiss()} onPaste={() => screen.pasteNow(asks.text)} />}
      {asks?.what === 'link' && <AskLink uri={asks.text} onClose={() => screen.dismiss()} />}
      {asks?.what === 'clip' && (
        <AskClip
          text={asks.text}
          onClose={() => screen.dismiss()}
          onCopy={() => {
            void copyText(asks.text)
            screen.dismiss()
          }}
        />
      )}
    </>
  )
}

function Line({ text, action, onAct }: { text: string; action?: string; onAct?: () => void }) {
  return (
    <div className="flex items-center gap-3 border-b bg-wait-ground px-3 py-1 text-minor">
      <span className="flex-1">{text}</span>
      {action && (
        <Button look="plain" onClick={onAct}>
          {action}
        </Button>
      )}
    </div>
  )
}

function Find({ screen, onClose }: { screen: Screen; onClose: () => void }) {
  const [text, setText] = useState('')
  const [found, setFound] = useState(true)
  const find = (back: boolean) => setFound(text === '' || screen.find(text, back))
  return (
    <form
      role="search"
      className="flex items-center gap-2 border-b bg-page px-3 py-1"
      onSubmit={(e) => {
        e.preventDefault()
        find(true)
      }}
      onKeyDown={(e) => e.key === 'Escape' && !composes(e.nativeEvent) && onClose()}
    >
      <input autoFocus aria-label={m.terminal_find()} value={text} onChange={(e) => setText(e.target.value)} className="min-h-11 min-w-0 flex-1 rounded-control border border-edge bg-surface px-3 text-[1rem] desk:min-h-8 desk:text-body" />
      <span role="status" className="text-small text-muted">
        {!found && m.terminal_not_found()}
      </span>
      <Button type="submit" look="plain">
        {m.terminal_find_before()}
      </Button>
      <Button look="plain" onClick={() => find(false)}>
        {m.terminal_find_after()}
      </Button>
      <IconButton label={m.close()} onClick={onClose}>
        <Icon name="close" size={16} />
      </IconButton>
    </form>
  )
}
