import type { Request } from '@/conversation/model'
import { m } from '@/i18n/paraglide/messages.js'
import { Notice } from '@/components/Notice'
import { Button } from '@/components/Button'
import { problemTitle } from '@/i18n/problem'
import { stream } from '@/stream/page'
import type { SessionView } from '@/stream/stream'
import { PermissionCard } from './PermissionCard'
import { PlanCard } from './PlanCard'
import { QuestionCard } from './QuestionCard'

/** Where what waits for the user stands: above the composer, always in reach. */
export function Dock({ sessionId, view }: { sessionId: string; view: SessionView }) {
  const request = view.requests[0]
  return (
    <div className="mx-auto flex w-full max-w-[848px] flex-col gap-2 px-3 empty:hidden desk:px-6">
      {view.problem && (
        <Notice
          tone="danger"
          title={problemTitle(view.problem.code)}
          actions={
            <>
              <Button onClick={() => stream.reattach(sessionId)}>{m.try_again()}</Button>
              <Button look="plain" onClick={() => stream.clearProblem(sessionId)}>
                {m.dismiss()}
              </Button>
            </>
          }
        >
          {view.problem.detail}
        </Notice>
      )}
      {request && (
        <section aria-label={m.claude_asks()} className="flex max-h-[58dvh] animate-rise flex-col overflow-hidden rounded-card border border-wait bg-wait-ground">
          {view.requests.length > 1 && <p className="px-4 pt-2 text-small text-muted tabular">{m.request_of({ all: view.requests.length })}</p>}
          <Card key={request.id} sessionId={sessionId} request={request} view={view} />
        </section>
      )}
    </div>
  )
}

function Card({ sessionId, request, view }: { sessionId: string; request: Request; view: SessionView }) {
  const props: CardProps = {
    request,
    cwd: view.cwd,
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
  request: Request
  cwd: string | null
  /** An answer is under way. */
  busy: boolean
  answer: (a: { behavior: 'allow' | 'deny'; updated_input?: unknown; updated_permissions?: unknown[]; message?: string; interrupt?: boolean }) => void
}
