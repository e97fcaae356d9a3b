import { useQuery, useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useEffect, useRef, useState } from 'react'
import { api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { queries } from '@/api/queries'
import type { Terminal } from '@/api/wire'
import { Button } from '@/components/Button'
import { Coded } from '@/components/Coded'
import { Empty, Loading } from '@/components/Empty'
import { Icon } from '@/components/Icon'
import { Failure } from '@/components/Notice'
import { m } from '@/i18n/paraglide/messages.js'
import { whenIdle } from '@/idle'
import { CloseTerminal, RenameTerminal } from './dialogs'
import { NewTerminal } from './NewTerminal'
import { Tabs } from './Tabs'
import { useBeginTerminal } from './useBeginTerminal'

// The emulator is large: who has no terminal yet reads how to begin one before it is there.
const view = () => import('./TerminalView')
const TerminalView = lazy(view)

interface Props {
  /** Only those of a project, and new ones there. */
  project?: string
  open: string | undefined
  onOpen: (id: string | undefined) => void
  /** Whether the one that comes to be shown takes the keyboard. */
  focus?: boolean
}

/** Several terminals, one of them shown. Those that were shown stay attached while the panel is there. */
export function TerminalPanel({ project, open, onOpen, focus = true }: Props) {
  const client = useQueryClient()
  const terminals = useQuery(queries.terminals())
  const all = terminals.data?.filter((t) => project === undefined || t.project === project) ?? []
  const shown = all.find((t) => t.id === open) ?? (open === undefined ? all[0] : undefined)
  const [seen, setSeen] = useState<ReadonlySet<string>>(new Set())
  const [finding, setFinding] = useState<string | null>(null)
  const [asks, setAsks] = useState<{ what: 'close' | 'rename'; terminal: Terminal } | null>(null)
  const tabs = useRef<HTMLDivElement>(null)
  if (shown && !seen.has(shown.id)) setSeen(new Set([...seen, shown.id]))
  // What `claude` did in a terminal is among the sessions.
  useEffect(() => () => void client.invalidateQueries({ queryKey: queries.sessions().queryKey }), [client])

  useEffect(() => whenIdle(() => void view().catch(() => {})), []) // told when it is drawn

  const refetch = () => client.invalidateQueries({ queryKey: queries.terminals().queryKey })
  const begin = useBeginTerminal(onOpen)
  const end = useMutation({
    mutationFn: (id: string) => call(api.DELETE('/terminals/{id}', { params: { path: { id } } })),
    onSettled: refetch,
  })
  const remove = (t: Terminal) => {
    const next = all.filter((o) => o.id !== t.id)
    const at = all.indexOf(t)
    client.setQueryData(queries.terminals().queryKey, (list) => list?.filter((o) => o.id !== t.id))
    if (shown?.id === t.id) onOpen(next[Math.min(at, next.length - 1)]?.id)
    end.mutate(t.id)
  }
  // Whether something runs is asked at that moment: what the list says may be old.
  const askToClose = async (t: Terminal) => {
    const now = (await client.fetchQuery({ ...queries.terminals(), staleTime: 0 }).catch(() => null))?.find((o) => o.id === t.id)
    if (now && !now.exited && now.foreground) setAsks({ what: 'close', terminal: now })
    else remove(t)
  }
  const fresh = (compact: boolean) => <NewTerminal compact={compact} project={project} busy={begin.isPending} onBegin={(place) => begin.mutate(place)} />
  return (
    <section aria-label={m.terminals()} className="flex min-h-0 min-w-0 flex-1 flex-col">
      {all.length > 0 && <Tabs ref={tabs} terminals={all} shown={shown?.id} onShow={onOpen} onFind={() => setFinding(finding === shown?.id ? null : (shown?.id ?? null))} onClose={(t) => void askToClose(t)} onRename={(terminal) => setAsks({ what: 'rename', terminal })} action={fresh(true)} />}
      {(begin.error ?? end.error) && (
        <div className="p-3">
          <Failure error={begin.error ?? end.error} />
        </div>
      )}
      {terminals.isPending ? (
        <Loading label={m.loading()} />
      ) : terminals.error && !terminals.data ? (
        <div className="p-4">
          <Failure error={terminals.error} actions={<Button onClick={() => void terminals.refetch()}>{m.try_again()}</Button>} />
        </div>
      ) : all.length === 0 ? (
        <Empty mark={<Icon name="terminal" size={36} className="text-muted" />} title={m.terminals_empty_title()} action={fresh(false)}>
          <Coded text={m.terminals_empty_text()} />
        </Empty>
      ) : (
        !shown && (
          <Empty title={m.terminal_gone_title()} action={<Button onClick={() => onOpen(undefined)}>{m.terminal_others()}</Button>}>
            {m.terminal_gone_text()}
          </Empty>
        )
      )}
      <Suspense fallback={<Loading label={m.loading()} />}>
        {all
          .filter((t) => seen.has(t.id))
          .map((t) => (
            <TerminalView
              key={t.id}
              terminal={t}
              all={all}
              hidden={t.id !== shown?.id}
              focus={focus}
              finding={t.id === finding}
              onFinding={(on) => setFinding(on ? t.id : null)}
              onLeave={() => tabs.current?.querySelector<HTMLElement>('[role=tab][aria-selected=true]')?.focus()}
              onAnew={() => {
                remove(t)
                begin.mutate(t.project ?? '')
              }}
            />
          ))}
      </Suspense>
      {asks?.what === 'close' && (
        <CloseTerminal
          terminal={asks.terminal}
          onClose={() => setAsks(null)}
          onConfirm={() => {
            setAsks(null)
            remove(asks.terminal)
          }}
        />
      )}
      {asks?.what === 'rename' && <RenameTerminal terminal={asks.terminal} onClose={() => setAsks(null)} />}
    </section>
  )
}
