import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { queries } from '@/api/queries'
import type { Terminal } from '@/api/wire'
import { Button } from '@/components/Button'
import { Confirm } from '@/components/Confirm'
import { Dialog } from '@/components/Dialog'
import { Field } from '@/components/Field'
import { Failure } from '@/components/Notice'
import { m } from '@/i18n/paraglide/messages.js'
import { addressOf } from './text'

export function CloseTerminal({ terminal, onClose, onConfirm }: { terminal: Terminal; onClose: () => void; onConfirm: () => void }) {
  return <Confirm title={m.terminal_close_title()} text={m.terminal_close_text({ program: terminal.foreground })} action={m.terminal_close()} busy={false} error={null} onClose={onClose} onConfirm={onConfirm} />
}

export function RenameTerminal({ terminal, onClose }: { terminal: Terminal; onClose: () => void }) {
  const client = useQueryClient()
  const [title, setTitle] = useState(terminal.title)
  const rename = useMutation({
    mutationFn: () => call(api.PATCH('/terminals/{id}', { params: { path: { id: terminal.id } }, body: { title: title.trim() } })),
    onSuccess: (t) => {
      client.setQueryData(queries.terminals().queryKey, (list) => list?.map((o) => (o.id === t.id ? t : o)))
      onClose()
    },
  })
  return (
    <Dialog title={m.terminal_rename()} onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(e) => {
          e.preventDefault()
          rename.mutate()
        }}
      >
        <Field label={m.terminal_name()} hint={m.terminal_name_hint()} value={title} maxLength={100} onChange={(e) => setTitle(e.target.value)} />
        {rename.error && <Failure error={rename.error} />}
        <Button type="submit" look="primary" busy={rename.isPending}>
          {m.save()}
        </Button>
      </form>
    </Dialog>
  )
}

/** Shows what would run before it does. */
export function AskPaste({ text, onClose, onPaste }: { text: string; onClose: () => void; onPaste: () => void }) {
  const lines = text.split('\n')
  return (
    <Dialog title={m.paste_title()} onClose={onClose} wide>
      <p className="text-muted">{m.paste_text()}</p>
      <Preview text={lines.slice(0, 200).join('\n')} />
      <div className="mt-5 flex justify-end gap-2">
        <Button look="plain" onClick={onClose}>
          {m.cancel()}
        </Button>
        <Button look="primary" onClick={onPaste}>
          {m.paste_do()}
        </Button>
      </div>
    </Dialog>
  )
}

/** Shows where a link really leads. */
export function AskLink({ uri, onClose }: { uri: string; onClose: () => void }) {
  const url = addressOf(uri)
  if (!url) return null
  return (
    <Dialog title={m.link_title()} onClose={onClose}>
      <p className="text-muted">{m.link_text()}</p>
      <p dir="ltr" className="mt-2 rounded-control bg-sunken px-3 py-2 font-mono text-code break-all">
        {url.protocol}
        {'//'}
        <strong>{url.host}</strong>
        {url.href.slice(url.origin.length)}
      </p>
      <div className="mt-5 flex justify-end gap-2">
        <Button look="plain" onClick={onClose}>
          {m.cancel()}
        </Button>
        <a href={url.href} target="_blank" rel="noopener noreferrer" onClick={onClose} className="inline-flex min-h-11 items-center rounded-control bg-accent px-4 text-minor font-strong text-on-accent desk:min-h-9">
          {m.link_open()}
        </a>
      </div>
    </Dialog>
  )
}

/** A program wants something in the clipboard. */
export function AskClip({ text, onClose, onCopy }: { text: string; onClose: () => void; onCopy: () => void }) {
  return (
    <Dialog title={m.clip_title()} onClose={onClose} wide>
      <p className="text-muted">{m.clip_text()}</p>
      <Preview text={text} />
      <div className="mt-5 flex justify-end gap-2">
        <Button look="plain" onClick={onClose}>
          {m.clip_refuse()}
        </Button>
        <Button look="primary" onClick={onCopy}>
          {m.copy()}
        </Button>
      </div>
    </Dialog>
  )
}

function Preview({ text }: { text: string }) {
  return (
    <pre tabIndex={0} dir="ltr" className="mt-3 max-h-60 scroller rounded-control bg-sunken p-3 font-mono text-code">
      {text}
    </pre>
  )
}
