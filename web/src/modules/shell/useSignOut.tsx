import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState, type ReactNode } from 'react'
import { useMutation } from '@/api/mutation'
import { Confirm } from '@/components/Confirm'
import { toast } from '@/components/Toasts'
import { saying } from '@/i18n/problem'
import { m } from '@/i18n/paraglide/messages.js'
import { draftsOf } from '@/modules/files/drafts'
import { useMe } from './me'
import { signOut, signOutKey } from './signOut'

/** Signs out, and asks first where edits of files would be lost by it. */
export function useSignOut(): { begin: () => void; question: ReactNode } {
  const me = useMe()
  const client = useQueryClient()
  const navigate = useNavigate()
  const [unsaved, setUnsaved] = useState(0)
  const leave = useMutation({
    mutationKey: signOutKey,
    mutationFn: () => signOut(client, me.id, () => navigate({ to: '/login' })),
    onError: (e) => unsaved === 0 && toast(m.sign_out_failed({ why: saying(e) }), { label: m.try_again(), act: () => leave.mutate() }), // else the question says it
  })
  const begin = () => {
    const count = draftsOf(me.id).size
    if (count > 0) setUnsaved(count)
    else leave.mutate()
  }
  const question = unsaved > 0 && (
    <Confirm title={m.sign_out_unsaved_title()} text={m.sign_out_unsaved({ count: unsaved })} action={m.sign_out()} busy={leave.isPending} error={leave.error} onClose={() => setUnsaved(0)} onConfirm={() => leave.mutate()} />
  )
  return { begin, question }
}
