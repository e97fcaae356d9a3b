import { useInfiniteQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { queries } from '@/api/queries'
import { Button } from '@/components/Button'
import { Empty, Loading } from '@/components/Empty'
import { Failure } from '@/components/Notice'
import { Page } from '@/components/Page'
import { m } from '@/i18n/paraglide/messages.js'
import { Earlier } from '@/modules/admin/Earlier'
import { Invite } from '@/modules/admin/Invite'
import { InvitationList } from '@/modules/admin/InvitationList'
import { PeopleTabs } from '@/modules/admin/PeopleTabs'

/** Who is invited, and what became of each invitation. */
export function InvitationsPage() {
  const list = useInfiniteQuery(queries.invitations())
  const [inviting, setInviting] = useState(false)
  const invitations = list.data?.pages.flatMap((p) => p.items)
  const none = invitations?.length === 0
  const invite = (
    <Button look="primary" onClick={() => setInviting(true)}>
      {m.user_invite()}
    </Button>
  )
  return (
    <Page title={m.invitations()} wide actions={!none && invite}>
      <PeopleTabs />
      {list.error && !invitations ? (
        <Failure error={list.error} actions={<Button onClick={() => void list.refetch()}>{m.try_again()}</Button>} />
      ) : !invitations ? (
        <Loading label={m.loading()} rows={5} />
      ) : none ? (
        <Empty title={m.invitations_empty_title()} action={invite}>
          {m.invitations_empty_text()}
        </Empty>
      ) : (
        <>
          <InvitationList invitations={invitations} />
          <Earlier list={list} />
        </>
      )}
      {inviting && <Invite onClose={() => setInviting(false)} />}
    </Page>
  )
}
