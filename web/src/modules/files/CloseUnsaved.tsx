import { useQueryClient } from '@tanstack/react-query'
import { useMutation } from '@/api/mutation'
import { queries } from '@/api/queries'
import { Button } from '@/components/Button'
import { Dialog } from '@/components/Dialog'
import { Failure } from '@/components/Notice'
import { m } from '@/i18n/paraglide/messages.js'
import { draftsOf } from './drafts'
import { shownName } from './paths'
import { saveText } from './save'

interface Props {
  path: string
  userId: number
  onClose: () => void
  /** Nothing of the edit is left. */
  onDone: () => void
}

/** Asks what becomes of an edit whose tab is closed. */
export function CloseUnsaved({ path, userId, onClose, onDone }: Props) {
  const client = useQueryClient()
  const drafts = draftsOf(userId)
  const save = useMutation({
    mutationFn: async () => {
      const draft = drafts.get(path)
      if (!draft) return
      const { crlf } = await client.ensureQueryData(queries.fileText(path))
      await saveText(client, drafts, path, draft.text, crlf, draft.etag)
    },
    onSuccess: onDone,
  })
  return (
    <Dialog title={m.tab_unsaved_title({ name: shownName(path) })} onClose={onClose}>
      <p className="text-muted">{m.tab_unsaved_text()}</p>
      {save.error && (
        <div className="mt-3">
          <Failure error={save.error} />
        </div>
      )}
      <div className="mt-5 flex flex-wrap justify-end gap-2">
        <Button look="plain" onClick={onClose}>
          {m.cancel()}
        </Button>
        <Button
          look="danger"
          disabled={save.isPending}
          onClick={() => {
            drafts.set(path, undefined)
            onDone()
          }}
        >
          {m.tab_discard()}
        </Button>
        <Button look="primary" busy={save.isPending} onClick={() => save.mutate()}>
          {m.save()}
        </Button>
      </div>
    </Dialog>
  )
}
