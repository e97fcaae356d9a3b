import { useQuery } from '@tanstack/react-query'
import { queries } from '@/api/queries'
import { plain, withoutEscapes } from '@/components/plain'
import { useInSight } from '@/components/useInSight'
import { m } from '@/i18n/paraglide/messages.js'
import { useSessionId } from '../SessionId'
import { lastLines } from './lastLines'

const shownLines = 200

/** What a command has written so far. It is asked for while somebody can see it. */
export function LiveOutput({ task }: { task: string }) {
  const sessionId = useSessionId()
  const { ref, inSight } = useInSight()
  const { data } = useQuery({ ...queries.taskOutput(sessionId, task), enabled: inSight })
  const text = plain(lastLines(withoutEscapes(data?.output ?? ''), shownLines, data?.truncated === true))
  return (
    // Upside down, so that its end stays in sight by itself.
    <div ref={ref} role="group" tabIndex={0} aria-label={m.tool_output_so_far()} className="scroller flex max-h-60 min-h-8 flex-col-reverse border-t">
      <pre className="px-3 py-2 font-mono text-code whitespace-pre-wrap [overflow-wrap:anywhere]">{text === '' ? <span className="text-muted">{m.tool_no_output_yet()}</span> : text}</pre>
    </div>
  )
}
