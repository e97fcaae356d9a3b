import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { queries } from '@/api/queries'
import type { Snapshot } from '@/api/wire'
import { Button, IconButton } from '@/components/Button'
import { Confirm } from '@/components/Confirm'
import { Empty, Loading } from '@/components/Empty'
import { Icon } from '@/components/Icon'
import { Menu, MenuItem } from '@/components/Menu'
import { Failure, Notice } from '@/components/Notice'
import { Page } from '@/components/Page'
import { plain } from '@/components/plain'
import { toast } from '@/components/Toasts'
import { useNow } from '@/components/useNow'
import { ago, bytes, dateTime } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'

type Ask = { what: 'restore' | 'delete'; snapshot: Snapshot }

/** The person's files as they were at other times, and the way back to one of them. */
export function SnapshotsPage() {
  const client = useQueryClient()
  const snapshots = useQuery(queries.snapshots())
  const [ask, setAsk] = useState<Ask | null>(null)
  const refresh = () => void client.invalidateQueries({ queryKey: queries.snapshots().queryKey })
  const take = useMutation({ mutationFn: () => call(api.POST('/snapshots', {})), onSuccess: (made) => !made.skipped && toast(m.snapshot_taken()), onSettled: refresh })
  const takeButton = (
    <Button look="primary" busy={take.isPending} onClick={() => take.mutate()}>
      {take.isPending ? m.snapshot_taking() : m.snapshot_take()}
    </Button>
  )
  const none = snapshots.data?.length === 0
  return (
    <Page title={m.snapshots()} actions={!none && takeButton}>
      <p className="pb-4 text-muted">{m.snapshots_text()}</p>
      {take.error && (
        <div className="pb-4">
          <Failure error={take.error} />
        </div>
      )}
      {take.data?.skipped ? (
        <div className="pb-4">
          <Notice
            tone="wait"
            title={m.snapshot_skipped({ count: take.data.skipped })}
            actions={
              <Button look="plain" onClick={() => take.reset()}>
                {m.dismiss()}
              </Button>
            }
          >
            {m.snapshot_skipped_text({ first: plain(take.data.skipped_first ?? '') })}
          </Notice>
        </div>
      ) : null}
      {snapshots.error && !snapshots.data ? (
        <Failure error={snapshots.error} actions={<Button onClick={() => void snapshots.refetch()}>{m.try_again()}</Button>} />
      ) : snapshots.isPending ? (
        <Loading label={m.loading()} rows={4} />
      ) : none ? (
        <Empty title={m.snapshots_empty_title()} action={takeButton}>
          {m.snapshots_empty_text()}
        </Empty>
      ) : (
        <ul className="overflow-hidden rounded-card border">
          {snapshots.data.map((s) => (
            <Line key={s.id} snapshot={s} onAsk={(what) => setAsk({ what, snapshot: s })} />
          ))}
        </ul>
      )}
      {ask && <Sure ask={ask} onClose={() => setAsk(null)} onDone={refresh} />}
    </Page>
  )
}

function Line({ snapshot, onAsk }: { snapshot: Snapshot; onAsk: (what: Ask['what']) => void }) {
  const now = useNow()
  const at = dateTime(snapshot.created_at)
  return (
    <li className="flex min-h-14 items-center gap-3 border-t px-3 py-1.5 first:border-t-0 desk:px-4">
      <div className="min-w-0 flex-1">
        <p className="tabular">
          <time dateTime={snapshot.created_at}>{at}</time>
        </p>
        <p className="text-minor text-muted tabular">{[kindOf(snapshot), bytes(snapshot.bytes), ago(snapshot.created_at, now)].join(' · ')}</p>
      </div>
      <Button onClick={() => onAsk('restore')}>{m.snapshot_restore()}</Button>
      <Menu
        trigger={
          <IconButton label={m.snapshot_menu({ at })}>
            <Icon name="more" />
          </IconButton>
        }
      >
        <MenuItem danger onSelect={() => onAsk('delete')}>
          <Icon name="trash" size={16} /> {m.snapshot_delete()}
        </MenuItem>
      </Menu>
    </li>
  )
}

function kindOf(s: Snapshot): string {
  switch (s.kind) {
    case 'asked':
      return m.snapshot_asked()
    case 'timed':
      return m.snapshot_timed()
    case 'before_restore':
      return m.snapshot_before()
  }
}

function Sure({ ask, onClose, onDone }: { ask: Ask; onClose: () => void; onDone: () => void }) {
  const client = useQueryClient()
  const { what, snapshot } = ask
  const params = { path: { id: snapshot.id } }
  const act = useMutation({
    mutationFn: () => (what === 'restore' ? call(api.POST('/snapshots/{id}/restore', { params })) : call(api.DELETE('/snapshots/{id}', { params }))),
    onSuccess: () => {
      if (what === 'restore') {
        toast(m.snapshot_restored())
        for (const queryKey of [queries.files(), queries.projects().queryKey, queries.instance().queryKey]) void client.invalidateQueries({ queryKey })
      }
      onClose()
    },
    onSettled: onDone,
  })
  const at = dateTime(snapshot.created_at)
  return (
    <Confirm
      title={what === 'restore' ? m.snapshot_restore_title({ at }) : m.snapshot_delete_title({ at })}
      text={what === 'restore' ? m.snapshot_restore_text() : m.snapshot_delete_text()}
      action={what === 'delete' ? m.snapshot_delete() : act.isPending ? m.snapshot_restoring() : m.snapshot_restore()}
      busy={act.isPending}
      error={act.error}
      onClose={onClose}
      onConfirm={() => act.mutate()}
    />
  )
}
