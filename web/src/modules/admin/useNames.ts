import { useQuery } from '@tanstack/react-query'
import { queries } from '@/api/queries'
import { useMe } from '@/modules/shell/me'

/** Names of users by their ids. Who is gone keeps the name of their workspace; moderators are told no other's, but in invitations. */
export function useNames(): (id: number) => string {
  const me = useMe()
  const users = useQuery({ ...queries.users(), enabled: me.role === 'admin' })
  return (id) => (id === me.id ? me : users.data?.find((u) => u.id === id))?.username ?? `user-${id}`
}
