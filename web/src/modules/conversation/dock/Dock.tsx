import { useEffect, useRef, useState } from 'react'
import type { Request } from '@/conversation/model'
import { m } from '@/i18n/paraglide/messages.js'
import { Coded } from '@/components/Coded'
import { Notice } from '@/components/Notice'
import { Button, IconButton } from '@/components/Button'
import { Icon } from '@/components/Icon'
import { problemTitle } from '@/i18n/problem'
import { stream } from '@/stream/page'
import type { SessionView } from '@/stream/held'
import { answerLate } from '@/stream/stream'
import { halfOf, halves } from './half'
import { PermissionCard } from './PermissionCard'
import { PlanCard } from './PlanCard'
import { QuestionCard } from './QuestionCard'
import { goToComposer, goToRequest, writes } from './useCardKeys'

/** Where what waits for the user stands: above the composer, always in reach. */
export function Dock({ sessionId, view, keys = true }: { sessionId: string; view: SessionView; keys?: boolean }) {
  const [shown, setShown] = useState<string>()
  const all = view.requests
  const at = Math.max(0, all.findIndex((r) => r.id === shown))
  const request = all[at]
  const section = useRef<HTMLElement>(null)
  const go = (by: number) => setShown(all[(at + by + all.length) % all.length]?.id)
  useEscape(keys && request !== undefined)
  useHandBack(section, all)
  useForget(sessionId, all)
  return (
    <div className="mx-auto flex w-full max-w-[53rem] min-h-0 flex-col gap-2 px-3 empty:hidden desk:px-6">
      {view.problem && (
        <Notice
          tone="danger"
          title={problemTitle(view.problem.code)}
          actions={
            <>
              {view.problem.code !== answerLate && <Button onClick={() => stream.reattach(sessionId)}>{m.try_again()}</Button>}
              <Button look="plain" onClick={() => stream.clearProblem(sessionId)}>
                {m.dismiss()}
              </Button>
            </>
          }
        >
          <Coded text={view.problem.detail} />
        </Notice>
      )}
      {!request && view.answered && view.state === 'running' && !stream.answeredHere(view.answered.requestId) && (
        <p role="status" className="text-small text-muted">
          {view.answered.behavior === 'deny' ? m.answered_by_deny({ who: view.answered.author }) : m.answered_by_allow({ who: view.answered.author })}
        </p>
      )}
      {request && (
        <section ref={section} data-request="" tabIndex={-1} aria-label={m.claude_asks()} className="group/request flex max-h-[68dvh] min-h-0 animate-rise flex-col overflow-hidden rounded-card border border-wait bg-wait-ground desk:max-h-[58dvh]">
          {all.length > 1 && (
            <div className="-mb-2 flex shrink-0 items-center ps-4 pe-1">
              <p className="flex-1 text-small text-muted tabular">{m.request_of({ at: at + 1, all: all.length })}</p>
              <IconButton label={m.request_before()} onClick={() => go(-1)}>
                <Icon name="back" size={15} />
              </IconButton>
              <IconButton label={m.request_next()} onClick={() => go(1)}>
                <Icon name="right" size={15} />
              </IconButton>
            </div>
          )}
          <Card key={request.id} sessionId={sessionId} request={request} view={view} keys={keys} />
        </section>
      )}
    </div>
  )
}

/** Escape takes the keyboard from where nobody writes to the request, and back. The composer does so by itself. */
function useEscape(on: boolean): void {
  useEffect(() => {
    if (!on) return
    const onKey = (e: KeyboardEvent) => {
      if (e.key !== 'Escape' || e.defaultPrevented || e.isComposing || writes(e.target)) return
      e.preventDefault()
      if (e.target instanceof Element && e.target.closest('[data-request]')) goToComposer()
      else goToRequest()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [on])
}

/** When a request is gone, whoever had the keyboard in its card writes on in the composer: not in the next card, which they have not read. */
function useHandBack(section: React.RefObject<HTMLElement | null>, all: readonly Request[]): void {
  const ids = all.map((r) => r.id).join(' ')
  const before = useRef(ids)
  useEffect(() => {
    const gone = before.current.split(' ').some((id) => id !== '' && !ids.split(' ').includes(id))
    before.current = ids
    const at = document.activeElement
    if (gone && (at === document.body || section.current?.contains(at))) goToComposer()
  }, [ids, section])
}

/** What was begun of an answer is of no use once its request is gone. */
function useForget(sessionId: string, all: readonly Request[]): void {
  const before = useRef(all)
  useEffect(() => {
    for (const r of before.current) if (!all.some((now) => now.id === r.id)) halves.forget(halfOf(sessionId, r.id))
    before.current = all
  }, [sessionId, all])
}

function Card({ sessionId, request, view, keys }: { sessionId: string; request: Request; view: SessionView; keys: boolean }) {
  const props: CardProps = {
    half: halfOf(sessionId, request.id),
    request,
    cwd: view.cwd,
    keys,
    busy: view.answering.has(request.id),
    answer: (a) => stream.answer(sessionId, request.id, a),
  }
  switch (request.toolName) {
    case 'AskUserQuestion':
      return <QuestionCard {...props} />
    case 'ExitPlanMode':
      return <PlanCard {...props} />
  }
  return <PermissionCard {...props} />
}

export interface CardProps {
  /** What was begun of the answer is kept by this name. */
  half: string
  request: Request
  cwd: string | null
  /** Whether single keys answer it: where it is the only one. */
  keys: boolean
  /** An answer is under way. */
  busy: boolean
  answer: (a: { behavior: 'allow' | 'deny'; updated_input?: unknown; updated_permissions?: unknown[]; message?: string; interrupt?: boolean }) => void
}
