import { Button } from '@/components/Button'
import { Markdown } from '@/components/markdown/Markdown'
import { str } from '@/conversation/json'
import { m } from '@/i18n/paraglide/messages.js'
import type { CardProps } from './Dock'
import { Deny } from './Deny'
import { useHalf, useOpened } from './half'
import { keepPlanning } from './plan'

/** Claude has a plan and asks whether to go on with it; the user may change it first. */
export function PlanCard({ half, request, busy, answer }: CardProps) {
  const asked = str(request.input.plan)
  const keeping = useOpened(half, 'keeping')
  const editing = useOpened(half, 'editing')
  const [plan, setPlan] = useHalf(half, 'plan', asked ?? '')
  const changed = asked !== undefined && plan !== asked
  const approve = (mode: string) =>
    answer({
      behavior: 'allow',
      updated_input: changed ? { ...request.input, plan } : request.input,
      updated_permissions: [{ type: 'setMode', mode, destination: 'session' }],
    })
  return (
    <>
      <h3 className="flex items-center gap-2 px-4 pt-3 font-strong">
        <span className="flex-1">
          {m.plan_title()} {changed && <span className="text-minor font-normal text-muted">{m.plan_changed()}</span>}
        </span>
        {asked !== undefined && !keeping.open && (
          <Button look="plain" aria-pressed={editing.open} onClick={() => editing.set(!editing.open)}>
            {editing.open ? m.plan_read() : m.plan_edit()}
          </Button>
        )}
      </h3>
      {editing.open ? (
        <textarea
          autoFocus={editing.now}
          value={plan}
          onChange={(e) => setPlan(e.target.value)}
          aria-label={m.plan_text()}
          className="mx-4 my-2 h-[40dvh] min-h-24 shrink resize-none rounded-control border border-edge bg-surface px-4 py-3 font-mono text-[1rem] desk:text-code"
        />
      ) : (
        <div className="scroller mx-4 my-2 min-h-0 rounded-control border bg-surface px-4 py-3" tabIndex={0}>
          <Markdown text={asked === undefined ? m.plan_empty() : plan} />
        </div>
      )}
      {keeping.open ? (
        <Deny
          half={half}
          focus={keeping.now}
          label={m.plan_word()}
          note={changed ? m.plan_changes_go() : undefined}
          stop={false}
          busy={busy}
          onCancel={() => keeping.set(false)}
          onDeny={(message) => answer({ behavior: 'deny', message: keepPlanning(message, changed ? plan : undefined) })}
        />
      ) : (
        <div className="scroller flex shrink-0 flex-wrap gap-2 px-4 pt-1 pb-4 max-desk:max-h-[min(30dvh,46dvh-7rem)]">
          <Button look="primary" busy={busy} className="max-desk:w-full" onClick={() => approve('acceptEdits')}>
            {m.plan_accept_edits()}
          </Button>
          <Button busy={busy} className="max-desk:flex-1" onClick={() => approve('default')}>
            {m.plan_accept_ask()}
          </Button>
          <Button busy={busy} className="max-desk:flex-1" onClick={() => keeping.set(true)}>
            {m.plan_keep()}
          </Button>
        </div>
      )}
    </>
  )
}
