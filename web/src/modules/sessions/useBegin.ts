import { useQueryClient, type UseMutationResult } from '@tanstack/react-query'
import { api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { noteSession } from '@/api/queries'
import type { Session } from '@/api/wire'

/** Begins a session in a project; every list has it before `onBegun` is called. */
export function useBegin(onBegun: (session: Session) => void): UseMutationResult<Session, Error, { project: string; permission_mode?: string }> {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (body: { project: string; permission_mode?: string }) => call(api.POST('/sessions', { body })),
    onSuccess: (session) => {
      noteSession(client, session)
      onBegun(session)
    },
  })
}
