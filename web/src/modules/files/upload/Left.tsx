import { useRef, useState, type ReactNode } from 'react'
import { Button } from '@/components/Button'
import { Icon } from '@/components/Icon'
import { plain } from '@/components/plain'
import { bytes } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { shownName, parentOf } from '../paths'
import { chosen, type Chosen } from './dropped'
import { canPick, pick } from './origin'
import { uploadsOf, type Upload, type Wrong } from './uploads'

/** What to do about all that was not finished. */
export function LeftActions({ left, userId }: { left: readonly Upload[]; userId: number }) {
  const uploads = uploadsOf(userId)
  const [none, setNone] = useState(false)
  const take = async (files: readonly Chosen[]) => setNone(files.length > 0 && (await uploads.chooseAll(files)) === 0)
  return (
    <div className="flex flex-wrap items-center gap-2 border-t px-4 py-1 text-minor">
      <p className="min-w-0 flex-1 basis-48" role="status">
        {m.uploads_left({ count: left.length })}
        {none && <span className="block text-small text-danger">{m.upload_wrong_none()}</span>}
      </p>
      {left.length > 1 && (
        <>
          <Choose multiple onChoose={(files) => void take(files)}>
            {m.upload_choose_all()}
          </Choose>
          <Choose folder onChoose={(files) => void take(files)}>
            {m.upload_choose_folder()}
          </Choose>
          <Button look="plain" onClick={() => left.forEach((u) => uploads.cancel(u.id))}>
            {m.upload_forget_all()}
          </Button>
        </>
      )}
    </div>
  )
}

const wrongs: Record<Wrong, (name: string) => string> = {
  name: (name) => m.upload_wrong_name({ name }),
  size: (name) => m.upload_wrong_size({ name }),
  changed: (name) => m.upload_wrong_changed({ name }),
  gone: () => m.upload_wrong_gone(),
}

/** One that was not finished before the page was left. */
export function LeftLine({ upload: u, userId }: { upload: Upload; userId: number }) {
  const uploads = uploadsOf(userId)
  const name = shownName(u.path)
  const state = u.anew ? m.upload_left_anew() : u.sent > 0 ? m.upload_left_sent({ sent: bytes(u.sent), size: bytes(u.size) }) : m.upload_left_none({ size: bytes(u.size) })
  return (
    <li className="flex flex-wrap items-center gap-x-3 border-t px-4 py-1 text-minor">
      <Icon name="clock" size={16} className="text-muted" />
      <div className="min-w-0 flex-1 basis-48 py-1">
        <p className="truncate" title={u.path}>
          {name} <span className="text-muted">{m.upload_to({ folder: plain(parentOf(u.path)) || m.files() })}</span>
        </p>
        <p className="text-small text-muted tabular">{[state, !u.known && m.upload_left_choose()].filter(Boolean).join(' · ')}</p>
        {u.wrong && (
          <p role="alert" className="text-small text-danger [overflow-wrap:anywhere]">
            {wrongs[u.wrong](name)}
          </p>
        )}
      </div>
      {u.known ? (
        <Button aria-label={m.upload_go_on_label({ name })} onClick={() => void uploads.goOn(u.id)}>
          {m.upload_go_on()}
        </Button>
      ) : (
        <Choose label={m.upload_choose_label({ name })} onChoose={([first]) => first && void uploads.choose(u.id, first)}>
          {m.upload_choose()}
        </Choose>
      )}
      <Button look="plain" aria-label={m.upload_forget_label({ name })} onClick={() => uploads.cancel(u.id)}>
        {m.upload_forget()}
      </Button>
    </li>
  )
}

/** A button that has somebody choose files. Their paths are their names, or below the folder that was chosen. */
function Choose({ label, multiple = false, folder = false, onChoose, children }: { label?: string; multiple?: boolean; folder?: boolean; onChoose: (files: readonly Chosen[]) => void; children: ReactNode }) {
  const input = useRef<HTMLInputElement>(null)
  const choose = () => {
    if (folder || !canPick()) input.current?.click()
    else void pick(multiple).then((files) => onChoose(files.map((f) => ({ ...f, path: f.file.name }))))
  }
  return (
    <>
      <Button aria-label={label} onClick={choose}>
        {children}
      </Button>
      <input
        ref={input}
        type="file"
        multiple={multiple || folder}
        hidden
        {...(folder && { webkitdirectory: '' })}
        onChange={(e) => {
          onChoose(chosen(e.currentTarget.files!, ''))
          e.currentTarget.value = ''
        }}
      />
    </>
  )
}
