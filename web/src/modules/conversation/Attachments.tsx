import { IconButton } from '@/components/Button'
import { Icon } from '@/components/Icon'
import { m } from '@/i18n/paraglide/messages.js'
import { shownName } from '@/modules/files/paths'
import type { Upload } from '@/modules/files/upload/uploads'
import { plain } from '@/components/plain'
import { problemTitle } from '@/i18n/problem'
import type { Draft } from './draft'

interface Props {
  draft: Draft
  onChange: (change: Partial<Draft>) => void
  uploads: readonly Upload[]
  onCancel: (id: string) => void
  onRetry: (id: string) => void
}

/** What goes with the prompt, and can be taken out again. */
export function Attachments({ draft, onChange, uploads, onCancel, onRetry }: Props) {
  if (draft.pictures.length + draft.files.length + uploads.length === 0) return null
  return (
    <ul aria-label={m.attached()} className="scroller flex max-h-40 flex-wrap gap-2 px-3 pt-3">
      {draft.pictures.map((p, i) => (
        <li key={i} className="flex items-start rounded-control border bg-sunken">
          <img src={`data:${p.mediaType};base64,${p.data}`} alt={p.name} className="h-16 max-w-40 rounded-control object-cover" />
          <Remove name={p.name} onClick={() => onChange({ pictures: draft.pictures.filter((_, n) => n !== i) })} />
        </li>
      ))}
      {draft.files.map((f) => (
        <li key={f.path} className="flex max-w-full items-center gap-2 rounded-control border bg-sunken ps-3 text-minor">
          <Icon name="file" size={15} />
          <span className="truncate">{plain(f.name)}</span>
          <Remove name={plain(f.name)} onClick={() => onChange({ files: draft.files.filter((o) => o !== f) })} />
        </li>
      ))}
      {uploads.map((u) => (
        <li key={u.id} className="flex max-w-full items-center gap-2 rounded-control border bg-sunken ps-3 text-minor">
          <span className="truncate">{shownName(u.path)}</span>
          {u.state === 'failed' ? (
            <>
              <span role="alert" className="text-danger">
                {problemTitle(u.code ?? 'unreachable')}
              </span>
              <IconButton label={m.try_again()} onClick={() => onRetry(u.id)}>
                <Icon name="refresh" size={15} />
              </IconButton>
            </>
          ) : (
            <progress max={Math.max(1, u.size)} value={u.sent} aria-label={m.attaching({ name: shownName(u.path) })} className="h-1.5 w-20 accent-accent" />
          )}
          <Remove name={shownName(u.path)} onClick={() => onCancel(u.id)} />
        </li>
      ))}
    </ul>
  )
}

function Remove({ name, onClick }: { name: string; onClick: () => void }) {
  return (
    <IconButton label={m.picture_remove({ name })} onClick={onClick}>
      <Icon name="close" size={13} />
    </IconButton>
  )
}
