import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Outlet, useNavigate, useParams, useRouterState } from '@tanstack/react-router'
import { useEffect, useEffectEvent, useState } from 'react'
import { forgetSession, noteSession, queries } from '@/api/queries'
import type { Me } from '@/api/wire'
import { useDesk } from '@/components/room'
import { Toasts } from '@/components/Toasts'
import { writes } from '@/modules/conversation/dock/useCardKeys'
import { NewSession } from '@/modules/sessions/NewSession'
import { SessionActions } from '@/modules/sessions/SessionActions'
import { backOnline, kept } from '@/offline/page'
import { keepStream, stream, useLink } from '@/stream/page'
import { BottomBar } from './BottomBar'
import { Keys } from './Keys'
import { Palette } from './Palette'
import { ScriptedBanner } from './Scripted'
import { actsAlone } from './singleKeys'
import { Head, Sidebar } from './Sidebar'
import { followSignIn, signingOut } from './signOut'
import { useTabMark } from './tab'
import { UpdateLine } from './UpdateLine'
import { useSignOut } from './useSignOut'

/** The frame of every page of a user who signed in. */
export function Shell({ me }: { me: Me }) {
  const client = useQueryClient()
  const [adding, setAdding] = useState<{ project?: string } | null>(null)
  const [finding, setFinding] = useState(false)
  const [showKeys, setShowKeys] = useState(false)
  const { begin: signOut, question } = useSignOut()
  const path = useRouterState({ select: (s) => s.location.pathname })
  const inSession = useParams({ strict: false }).sessionId !== undefined
  const atHome = path === '/'
  const desk = useDesk()
  useEffect(() => keepStream(me.id), [me.id])
  useEffect(followSignIn, [])
  useEffect(
    () =>
      stream.onNotice((n) => {
        if (n.kind === 'session' && n.session) noteSession(client, n.session)
        else if (n.kind === 'session_deleted' && n.session) {
          forgetSession(client, n.session.id)
          void kept.dropConversation(n.session.id)
        }
        else if (n.kind === 'quota') void client.invalidateQueries({ queryKey: queries.me().queryKey })
        else if (n.kind === 'instance')
          for (const q of [queries.instance(), queries.instances(), queries.terminals()]) void client.invalidateQueries({ queryKey: q.queryKey })
      }),
    [client],
  )
  useAdding(() => setAdding({}))
  usePaletteKey(() => setFinding((on) => !on))
  useKeys({ n: () => setAdding({}), '?': () => setShowKeys(true) })
  return (
    <div className="flex h-full flex-col safe-top">
      <InStep />
      <Toasts raised={inSession} />
      <UpdateLine />
      <SessionActions>
        <div className="group/shell grid min-h-0 flex-1 grid-rows-[minmax(0,1fr)_auto] desk:grid-cols-[264px_minmax(0,1fr)] desk:grid-rows-[minmax(0,1fr)]">
          {desk && <Sidebar me={me} onNew={() => setAdding({})} onFind={() => setFinding(true)} />}
          <main className="flex min-h-0 min-w-0 flex-col bg-surface">
            {atHome && !desk && <Head onNew={() => setAdding({})} onFind={() => setFinding(true)} />}
            <ScriptedBanner me={me} compact={!atHome} />
            <Outlet />
          </main>
          <BottomBar hidden={inSession} />
        </div>
        {finding && <Palette me={me} onClose={() => setFinding(false)} onNew={(project) => setAdding({ project })} onKeys={() => setShowKeys(true)} onSignOut={signOut} />}
      </SessionActions>
      {question}
      {adding && <NewSession project={adding.project} onClose={() => setAdding(null)} />}
      {showKeys && <Keys onClose={() => setShowKeys(false)} />}
    </div>
  )
}

/** `/?add=true` begins a session, once. */
function useAdding(add: () => void): void {
  const navigate = useNavigate()
  const asked = useRouterState({ select: (s) => s.location.pathname === '/' && (s.location.search as { add?: boolean }).add === true })
  const begin = useEffectEvent(() => {
    add()
    void navigate({ to: '/', replace: true })
  })
  useEffect(() => {
    if (asked) begin()
  }, [asked])
}

/** Follows the connection and the sessions by itself, so that what they tell does not draw the whole frame anew. */
function InStep() {
  useAfterReconnect()
  useTabMark()
  return null
}

/** What happened while the connection was away was not told: ask anew when it stands again. */
function useAfterReconnect(): void {
  const client = useQueryClient()
  const status = useLink().status
  const { refetch } = useQuery(queries.me())
  const link = useLink()
  const attempt = link.status === 'lost' ? link.attempt : 0
  useEffect(() => {
    if (status === 'open') {
      backOnline()
      for (const queryKey of [queries.me().queryKey, queries.sessions().queryKey, queries.eachSession(), queries.projects().queryKey]) void client.invalidateQueries({ queryKey })
    }
    // The server knows us no more, or a handshake fails again and again: ask who we are.
    if ((status === 'refused' || attempt === 2) && !signingOut(client)) void refetch()
  }, [status, attempt, client, refetch])
}

/** Keys that work where nobody types. */
function useKeys(actions: Record<string, () => void>): void {
  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      if (!actsAlone(e) || writes(e.target)) return
      const act = actions[e.key]
      if (act) {
        e.preventDefault()
        act()
      } else if (e.key === '/') {
        const composer = document.querySelector<HTMLTextAreaElement>('[data-composer]')
        if (composer) {
          e.preventDefault()
          composer.focus()
        }
      }
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  })
}

/** Ctrl K, or ⌘ K: also where somebody types, but not in a terminal, whose shell has a use for it. */
function usePaletteKey(toggle: () => void): void {
  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      if (e.key.toLowerCase() !== 'k' || e.metaKey === e.ctrlKey || e.altKey || e.shiftKey || e.isComposing) return
      const target = e.target as HTMLElement | null
      if (target?.closest('.xterm') && e.ctrlKey) return
      // One dialog at a time; its own it may close.
      const open = document.querySelector('dialog[open]')
      if (open && !target?.closest('dialog')?.querySelector('[role="combobox"]')) return
      e.preventDefault()
      toggle()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  })
}
