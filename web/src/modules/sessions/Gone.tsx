import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { Button } from '@/components/Button'
import { copyText } from '@/components/clipboard'
import { Empty } from '@/components/Empty'
import { m } from '@/i18n/paraglide/messages.js'
import { drafts, useDraft } from '@/modules/conversation/draft'
import { NewSession } from './NewSession'

/** A session that is not there. What was being written in it is still the person's. */
export function Gone({ id }: { id: string }) {
  const [draft] = useDraft(id)
  const [starting, setStarting] = useState(false)
  const [copied, setCopied] = useState(false)
  const link = 'inline-flex min-h-11 items-center rounded-control border border-edge/50 px-4 text-minor hover:bg-hover desk:min-h-9'
  const toSessions = (
    <Link to="/" className={link}>
      {m.to_sessions()}
    </Link>
  )
  return (
    <div className="scroller min-h-0 flex-1">
      <Empty title={m.session_gone_title()} action={draft.text === '' && toSessions}>
        {m.session_gone_text()}
      </Empty>
      {draft.text !== '' && (
        <section aria-label={m.session_gone_draft()} className="mx-auto -mt-6 flex max-w-lg flex-col gap-3 px-6 pb-8">
          <p className="text-minor text-muted">{m.session_gone_draft()}</p>
          <p className="scroller max-h-[40dvh] rounded-card border bg-surface px-4 py-3 whitespace-pre-wrap [overflow-wrap:anywhere]">{draft.text}</p>
          <div className="flex flex-wrap justify-center gap-2">
            <Button look="primary" onClick={() => setStarting(true)}>
              {m.session_gone_start()}
            </Button>
            <Button onClick={() => void copyText(draft.text).then(setCopied)}>{copied ? m.copied() : m.copy()}</Button>
            {toSessions}
          </div>
        </section>
      )}
      {starting && (
        <NewSession
          onClose={() => setStarting(false)}
          onBegun={(session) => {
            // Files that were put into the project of then are not in every other one.
            drafts.change(session.id, { text: draft.text, pictures: draft.pictures })
            drafts.clear(id)
          }}
        />
      )}
    </div>
  )
}
