import { useEffect } from 'react'
import { Button, IconButton } from '@/components/Button'
import { Icon } from '@/components/Icon'
import { bytes, number, percent } from '@/i18n/format'
import { problemTitle } from '@/i18n/problem'
import { m } from '@/i18n/paraglide/messages.js'
import { shownName } from '../paths'
import { LeftActions, LeftLine } from './Left'
import { uploadsOf, useUploads, type Upload } from './uploads'

const shownAtMost = 100

/** What is on its way up, how far it is, what went wrong with it, and what was not finished before. */
export function Tray({ userId }: { userId: number }) {
  const both = useUploads(userId)
  const uploads = uploadsOf(userId)
  useEffect(() => void uploads.look(), [uploads])
  const left = both.filter((u) => u.state === 'left')
  const all = both.filter((u) => u.state !== 'left')
  if (both.length === 0) return null
  const more = Math.max(0, all.length - shownAtMost) + Math.max(0, left.length - shownAtMost)
  const open = all.filter((u) => u.state !== 'done')
  const failed = open.filter((u) => u.state === 'failed' || u.state === 'exists')
  const size = all.reduce((n, u) => n + u.size, 0)
  const sent = all.reduce((n, u) => n + u.sent, 0)
  return (
    <section aria-label={m.uploads()} className="max-h-[40%] shrink-0 scroller border-t bg-page">
      {all.length > 0 && (
        <>
          <header className="sticky top-0 z-10 flex min-h-11 items-center gap-3 bg-page pr-2 pl-4 text-minor">
            <p role="status" className="flex-1 font-strong tabular">
              {open.length === 0 ? m.uploads_done({ count: all.length }) : m.uploads_state({ count: open.length, share: percent(size === 0 ? 0 : sent / size) })}
              {failed.length > 0 && <span className="text-danger"> · {m.uploads_failed({ count: failed.length })}</span>}
            </p>
            {failed.length > 1 && failed.some((u) => u.state === 'exists') && <Button onClick={() => failed.forEach((u) => u.state === 'exists' && uploads.retry(u.id, 'keep'))}>{m.upload_keep_all()}</Button>}
            {open.length === 0 ? <Button onClick={() => uploads.clear()}>{m.close()}</Button> : <Button onClick={() => open.forEach((u) => uploads.cancel(u.id))}>{m.upload_cancel_all()}</Button>}
          </header>
          <ul>
            {[...open, ...all.filter((u) => u.state === 'done')].slice(0, shownAtMost).map((u) => (
              <Line key={u.id} upload={u} userId={userId} />
            ))}
          </ul>
        </>
      )}
      {left.length > 0 && (
        <>
          <LeftActions left={left} userId={userId} />
          <ul>
            {left.slice(0, shownAtMost).map((u) => (
              <LeftLine key={u.id} upload={u} userId={userId} />
            ))}
          </ul>
        </>
      )}
      {more > 0 && <p className="px-4 py-2 text-minor text-muted">{m.uploads_more({ count: number(more) })}</p>}
    </section>
  )
}

function Line({ upload: u, userId }: { upload: Upload; userId: number }) {
  const uploads = uploadsOf(userId)
  const name = shownName(u.path)
  const share = u.size === 0 ? (u.state === 'done' ? 1 : 0) : u.sent / u.size
  return (
    <li className="flex flex-wrap items-center gap-x-3 border-t px-4 py-1 text-minor">
      <Icon name={u.state === 'done' ? 'check' : u.state === 'sending' || u.state === 'queued' ? 'upload' : 'warn'} size={16} className={u.state === 'done' ? 'text-accent' : u.state === 'failed' ? 'text-danger' : 'text-muted'} />
      <div className="min-w-0 flex-1 basis-48 py-1">
        <p className="truncate" title={u.path}>
          {name}
        </p>
        {u.state === 'sending' ? (
          <>
            <progress className="sr-only" value={share} max={1} aria-label={m.upload_progress({ name })} />
            <span className="mt-0.5 block h-1 overflow-hidden rounded-full bg-sunken" aria-hidden="true">
              <span className="block h-full rounded-full bg-accent" style={{ width: `${share * 100}%` }} />
            </span>
            <p className="text-small text-muted tabular">
              {m.used_of({ used: bytes(u.sent), limit: bytes(u.size) })}
              {u.anew && ` · ${m.upload_begun_anew()}`}
            </p>
          </>
        ) : (
          <p className={`text-small [overflow-wrap:anywhere] ${u.state === 'failed' ? 'text-danger' : 'text-muted'}`}>
            {u.state === 'done' ? bytes(u.size) : u.state === 'queued' ? m.upload_queued() : u.state === 'exists' ? m.upload_exists() : u.detail || problemTitle(u.code ?? '')}
          </p>
        )}
      </div>
      {u.state === 'exists' && (
        <>
          <Button onClick={() => uploads.retry(u.id, 'replace')}>{m.upload_replace()}</Button>
          <Button onClick={() => uploads.retry(u.id, 'keep')}>{m.upload_keep()}</Button>
        </>
      )}
      {u.state === 'failed' && <Button onClick={() => uploads.retry(u.id)}>{m.try_again()}</Button>}
      {u.state !== 'done' && (
        <IconButton label={m.upload_cancel({ name })} onClick={() => uploads.cancel(u.id)}>
          <Icon name="close" size={16} />
        </IconButton>
      )}
    </li>
  )
}
