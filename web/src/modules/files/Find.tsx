import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useDeferredValue, useState } from 'react'
import { queries } from '@/api/queries'
import type { FileEntry, FoundLine } from '@/api/wire'
import { Button } from '@/components/Button'
import { Empty, Loading } from '@/components/Empty'
import { Field } from '@/components/Field'
import { Icon } from '@/components/Icon'
import { Mark } from '@/components/Mark'
import { Failure } from '@/components/Notice'
import { Segments } from '@/components/Segments'
import { number } from '@/i18n/format'
import { plain } from '@/components/plain'
import { m } from '@/i18n/paraglide/messages.js'
import { iconOf } from './FolderView'
import { shownName, parentOf } from './paths'

export type FindIn = 'names' | 'lines'

interface Props {
  /** Below which folder. */
  folder: string
  q: string
  where: FindIn
  onChange: (q: string, where: FindIn) => void
}

/** Finds files by their name as one types, and lines in them when asked to. */
export function Find({ folder, q, where, onChange }: Props) {
  const [text, setText] = useState(q)
  const [regexp, setRegexp] = useState(false)
  return (
    <div className="scroller min-h-0 flex-1">
      <form
        role="search"
        className="flex flex-col gap-3 border-b p-4"
        onSubmit={(e) => {
          e.preventDefault()
          onChange(text, where)
        }}
      >
        <div className="flex items-end gap-2">
          <div className="flex-1">
            <Field
              label={folder === '' ? m.find_all() : m.find_in({ folder })}
              type="search"
              value={text}
              maxLength={200}
              autoFocus
              autoCapitalize="none"
              spellCheck={false}
              onChange={(e) => {
                setText(e.target.value)
                if (where === 'names') onChange(e.target.value, where)
              }}
            />
          </div>
          <Button type="submit" look="primary">
            {m.search()}
          </Button>
        </div>
        <div className="flex flex-wrap items-end gap-4">
          <Segments label={m.find_where()} value={where} options={[{ value: 'names', label: m.find_names() }, { value: 'lines', label: m.find_lines() }]} onChange={(w) => onChange(text, w)} />
          {where === 'lines' && (
            <label className="flex min-h-11 items-center gap-2 text-minor desk:min-h-9">
              <input type="checkbox" className="size-4 accent-accent" checked={regexp} onChange={(e) => setRegexp(e.target.checked)} />
              {m.find_regexp()}
            </label>
          )}
        </div>
      </form>
      {q.trim() !== '' && (where === 'names' ? <Names q={q} folder={folder} /> : <Lines q={q} folder={folder} regexp={regexp} />)}
    </div>
  )
}

function Names({ q, folder }: { q: string; folder: string }) {
  const found = useQuery({ ...queries.filesNamed(useDeferredValue(q.trim()), folder), placeholderData: keepPreviousData })
  if (found.error && !found.data) return <Trouble error={found.error} again={() => void found.refetch()} />
  if (!found.data) return <Loading label={m.loading()} />
  return (
    <>
      <Cut cut={found.data.cut} />
      {found.data.items.length === 0 ? (
        <Empty title={m.find_none_title()}>{m.find_none_text()}</Empty>
      ) : (
        <ul>
          {found.data.items.map((e) => (
            <Name key={e.path} entry={e} />
          ))}
        </ul>
      )}
    </>
  )
}

function Name({ entry }: { entry: FileEntry }) {
  return (
    <li className="border-b">
      <Link to="/files/$" params={{ _splat: entry.path }} search={(s) => (s.tabs ? { tabs: s.tabs } : {})} className="flex min-h-12 items-center gap-3 px-4 -outline-offset-2 hover:bg-hover">
        <Icon name={iconOf(entry)} className="text-muted" />
        <span className="min-w-0 flex-1">
          <span className="block truncate">{plain(entry.name)}</span>
          <span className="block truncate text-small text-muted">{plain(parentOf(entry.path))}</span>
        </span>
      </Link>
    </li>
  )
}

function Lines({ q, folder, regexp }: { q: string; folder: string; regexp: boolean }) {
  const found = useQuery(queries.linesWith(q, folder, regexp))
  if (found.error && !found.data) return <Trouble error={found.error} again={() => void found.refetch()} />
  if (!found.data) return <Loading label={m.loading()} />
  const byFile = new Map<string, FoundLine[]>()
  for (const l of found.data.items) byFile.set(l.path, [...(byFile.get(l.path) ?? []), l])
  return (
    <>
      <p role="status" className="px-4 pt-3 text-minor text-muted tabular">
        {m.find_counted({ count: found.data.items.length, lines: number(found.data.items.length), files: number(found.data.files) })}
      </p>
      <Cut cut={found.data.cut} />
      {[...byFile].map(([path, lines]) => (
        <section key={path} className="pt-3">
          <h2 className="truncate px-4 text-minor" title={path}>
            <span className="font-strong">{shownName(path)}</span> <span className="text-muted">{plain(parentOf(path))}</span>
          </h2>
          <ul>
            {lines.map((l) => (
              <li key={l.line}>
                <Link to="/files/$" params={{ _splat: l.path }} search={(s) => ({ ...(s.tabs && { tabs: s.tabs }), line: l.line })} className="flex min-h-11 items-center gap-3 px-4 font-mono text-code -outline-offset-2 hover:bg-hover desk:min-h-7">
                  <span className="w-10 shrink-0 text-end text-muted tabular">{l.line}</span>
                  <span className="truncate whitespace-pre">
                    {l.before.trimStart().slice(-40)}
                    <Mark>{l.match}</Mark>
                    {l.after}
                  </span>
                </Link>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </>
  )
}

function Trouble({ error, again }: { error: unknown; again: () => void }) {
  return (
    <div className="p-4">
      <Failure error={error} actions={<Button onClick={again}>{m.try_again()}</Button>} />
    </div>
  )
}

function Cut({ cut }: { cut: string }) {
  if (cut === '') return null
  return <p className="px-4 pt-3 text-minor text-wait">{cut === 'results' ? m.find_cut_results() : cut === 'time' ? m.find_cut_time() : m.find_cut_size()}</p>
}
