import { useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { queries } from '@/api/queries'
import { Button } from '@/components/Button'
import { Empty } from '@/components/Empty'
import { Lamp } from '@/components/Lamp'
import { Failure } from '@/components/Notice'
import { m } from '@/i18n/paraglide/messages.js'
import { drafts } from '@/modules/conversation/draft'
import { useBegin } from '@/modules/sessions/useBegin'

/** Where there is nothing yet: something to try at once, or a project of one's own. */
export function FirstSteps() {
  const client = useQueryClient()
  const navigate = useNavigate()
  const begin = useBegin((session) => {
    // Written for them, sent by them.
    drafts.change(session.id, { text: m.sample_prompt() })
    void navigate({ to: '/s/$sessionId', params: { sessionId: session.id } })
  })
  const sample = useMutation({
    mutationFn: async () => {
      const { name } = await call(api.POST('/projects', { body: { name: 'sample', template: 'sample' } }))
      void client.invalidateQueries({ queryKey: queries.projects().queryKey })
      await begin.mutateAsync({ project: name })
    },
  })
  return (
    <Empty
      mark={<Lamp light="running" size={44} />}
      title={m.first_title()}
      action={
        <>
          <Button look="primary" busy={sample.isPending} onClick={() => sample.mutate()}>
            {sample.isPending ? m.project_making() : m.first_sample()}
          </Button>
          <Link to="/projects" search={{ add: true }} className="inline-flex min-h-11 items-center rounded-control border border-edge/50 bg-surface px-4 text-minor hover:bg-hover desk:min-h-9">
            {m.project_new()}
          </Link>
          {sample.error && <Failure error={sample.error} />}
        </>
      }
    >
      {m.first_text()}
    </Empty>
  )
}
