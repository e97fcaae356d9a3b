import { useInfiniteQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { queries } from '@/api/queries'
import { Button } from '@/components/Button'
import { Empty, Loading } from '@/components/Empty'
import { Failure } from '@/components/Notice'
import { Page } from '@/components/Page'
import { m } from '@/i18n/paraglide/messages.js'
import { Invite } from '@/modules/admin/Invite'
import { InvitationList } from '@/modules/admin/InvitationList'
import { PeopleTabs } from '@/modules/admin/PeopleTabs'

/** Who is invited, and what became of each invitation. */
export function InvitationsPage() {
  const { data, error, isPending, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(queries.invitations())
  const [inviting, setInviting] = useState(false)
  const invitations = data?.pages.flatMap((p) => p.items) ?? []
  const none = data !== undefined && invitations.length === 0
  const invite = (
    <Button look="primary" onClick={() => setInviting(true)}>
      {m.user_invite()}
    </Button>
  )
  return (
    <Page title={m.invitations()} wide actions={!none && invite}>
      <PeopleTabs />
      {isPending ? (
        <Loading label={m.loading()} rows={5} />
      ) : none ? (
        <Empty title={m.invitations_empty_title()} action={invite}>
          {m.invitations_empty_text()}
        </Empty>
      ) : (
        invitations.length > 0 && <InvitationList invitations={invitations} />
      )}
      {error ? (
        <div className="mt-3">
          <Failure error={error} actions={<Button onClick={() => void (data ? fetchNextPage() : refetch())}>{m.try_again()}</Button>} />
        </div>
      ) : (
        hasNextPage && (
          <Button className="mt-3" busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            {m.show_earlier()}
          </Button>
        )
      )}
      {inviting && <Invite onClose={() => setInviting(false)} />}
    </Page>
  )
}
