import { useEffect, useLayoutEffect, useRef, useState, type RefObject } from 'react'
import { Button, IconButton } from '@/components/Button'
import { Icon } from '@/components/Icon'
import { Lamp } from '@/components/Lamp'
import { duration } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import type { PromptRow } from '@/conversation/model'
import { rowOfEvent } from '@/conversation/place'
import { stream } from '@/stream/page'
import type { SessionView } from '@/stream/held'
import { failedPrompt } from './again'
import { Find } from './Find'
import { KeepPlace } from './KeepPlace'
import { places, type Place } from './places'
import { countOfNew, PromptView, RowView } from './Row'
import { SessionId } from './SessionId'
import { useDrawn } from './useDrawn'
import { useFindKey } from './useFind'
import { useFollow } from './useFollow'
import { useNear } from './useNear'
import { usePrompts } from './usePrompts'
import { activityText, retryReason } from './words'

interface Props {
  sessionId: string
  view: SessionView
  /** The prompts that are shown elsewhere while they wait. */
  waiting: readonly PromptRow[]
  /** The event to open at, in place of the end. */
  at?: number
  /** An event to go to, each time it is another object. */
  jump?: { seq: number }
  /** Whether the search in it is open. */
  finding: boolean
  onFinding: (on: boolean) => void
  empty: React.ReactNode
}

/** A row that somebody looks for, each time it is another object. */
interface Sought {
  key: string
  /** It is read next; who looks for words goes on typing. */
  focus: boolean
}

/** The conversation, from its rows. It knows nothing of where they come from. */
export function Timeline({ sessionId, view, waiting, at, jump, finding, onFinding, empty }: Props) {
  const scroller = useRef<HTMLDivElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const whole = useRef(true)
  const [place] = useState(() => (at === undefined ? places.get(sessionId) : undefined))
  const { following, follow, leave } = useFollow(scroller, content, whole, at === undefined && place === undefined)
  const rows = view.rows
  const { start, end, earlier, later, around } = useDrawn(rows, following, place?.from ?? null)
  const toTheEnd = end === rows.length
  useLayoutEffect(() => {
    whole.current = toTheEnd
  }, [toTheEnd])

  const top = useNear(scroller, () => (start > 0 ? !following && earlier() : view.more && void stream.earlier(sessionId)), `${rows[start]?.key} ${view.first} ${following}`)
  const bottom = useNear(scroller, () => !toTheEnd && later(), rows[end - 1]?.key)
  const [sought, setSought] = useState<Sought | null>(null)
  const [jumped, setJumped] = useState(jump)
  if (jump !== jumped) {
    setJumped(jump)
    setSought(null)
  }
  useFindKey(!finding && (start > 0 || view.more || !toTheEnd), () => onFinding(true))
  const found = useFound({ sessionId, at, jump, sought, view, scroller, around, leave })
  const toPrompt = usePrompts({
    view: () => stream.view(sessionId),
    earlier: () => stream.earlier(sessionId),
    scroller,
    following,
    onGo: (key) => setSought({ key, focus: true }),
    onEnd: () => {
      follow()
      scroller.current?.focus()
    },
  })
  usePlace({ sessionId, place, view, scroller, following, from: rows[start]?.key, around, follow })

  // How much came since the reader went up to look at something.
  const [left, setLeft] = useState(0)
  const last = view.lastSeq
  const count = useRef(last)
  useEffect(() => {
    count.current = last
  }, [last])
  useEffect(() => {
    if (!following) setLeft(count.current)
  }, [following, view.opened])
  const fresh = following ? 0 : rows.filter((r) => r.seq > left).length

  // What the user sends, they want to see.
  const sent = view.outgoing.length + view.queue.length
  const lastSent = useRef(sent)
  useEffect(() => {
    if (sent > lastSent.current) follow()
    lastSent.current = sent
  }, [sent, follow])

  const failed = failedPrompt(view)
  const nothing = rows.length === 0 && sent === 0
  return (
    <div className="relative min-h-0 flex-1 short:min-h-[16dvh]">
      <div ref={scroller} className={`scroller h-full ${following ? '' : 'scroll-pb-14'}`} role="log" aria-live="off" aria-busy={view.reading} aria-label={m.conversation()} tabIndex={0}>
        <KeepPlace scroller={scroller} edge={`${rows[start]?.key}`} active={!following}>
          <div ref={content} className="mx-auto flex max-w-[53rem] flex-col gap-4 px-4 py-5 desk:px-6">
            {(start > 0 || view.more) && (
              <div ref={top} className="flex min-h-11 justify-center">
                <Button look="plain" busy={view.reading} onClick={() => {
                  leave()
                  if (start > 0) earlier()
                  else void stream.earlier(sessionId)
                }}>
                  {m.show_earlier()}
                </Button>
              </div>
            )}
            {nothing && empty}
            <SessionId value={sessionId}>
            {rows.slice(start, end).map((row, i) => (
              <div key={row.key} data-row={row.key} tabIndex={-1} className={`scroll-mt-4 ${end - start - i > 12 ? 'row-far' : ''} ${row.key === found ? 'found' : ''}`}>
                <RowView row={row} cwd={view.cwd} again={start + i === rows.length - 1 ? failed : null} />
              </div>
            ))}
            {!toTheEnd && <div ref={bottom} className="min-h-11" />}
            {toTheEnd && (
              <>
                <Now view={view} />
                {view.queue.map((row) => !waiting.includes(row) && <PromptView key={row.key} row={row} />)}
                {view.outgoing.map((row) => (
                  <PromptView key={row.key} row={row} />
                ))}
              </>
            )}
            </SessionId>
          </div>
        </KeepPlace>
      </div>
      {finding && (
        <Find
          sessionId={sessionId}
          view={view}
          scroller={scroller}
          onGo={(key) => setSought({ key, focus: false })}
          onClose={() => {
            onFinding(false)
            setSought(null)
            scroller.current?.focus()
          }}
        />
      )}
      {!following && (
        <div className="absolute bottom-3 left-1/2 flex -translate-x-1/2 animate-rise items-center rounded-full border bg-surface text-minor shadow-float">
          <IconButton label={m.prompt_before()} aria-keyshortcuts="Alt+ArrowUp" onClick={() => toPrompt(-1)} className="rounded-full!">
            <Icon name="chevron" size={15} className="rotate-180" />
          </IconButton>
          <button type="button" onClick={follow} className="inline-flex min-h-11 items-center gap-1.5 rounded-full px-3 whitespace-nowrap hover:bg-hover desk:min-h-9">
            <Icon name="down" size={15} />
            {countOfNew(fresh)}
          </button>
          <IconButton label={m.prompt_after()} aria-keyshortcuts="Alt+ArrowDown" onClick={() => toPrompt(1)} className="rounded-full!">
            <Icon name="chevron" size={15} />
          </IconButton>
        </div>
      )}
    </div>
  )
}

/** Opens the conversation at an event: fetches back to it, draws it, and gives it the focus. Gives the key of its row. */
function useFound({ sessionId, at: given, jump, sought, view, scroller, around, leave }: { sessionId: string; at?: number; jump?: { seq: number }; sought: Sought | null; view: SessionView; scroller: RefObject<HTMLElement | null>; around: (index: number) => void; leave: () => void }): string | null {
  const { opened, more, first } = view
  const at = jump?.seq ?? given
  const there = at !== undefined && opened && (first <= at || !more)
  const index = sought !== null ? view.rows.findIndex((r) => r.key === sought.key) : there ? rowOfEvent(view.rows, at) : -1
  const key = view.rows[index]?.key ?? null
  // What was asked for: a row that was found, or an event.
  const asked = sought ?? jump ?? at
  const drawn = useRef<typeof asked>(undefined)
  const shown = useRef<typeof asked>(undefined)
  useEffect(() => {
    if (at !== undefined && opened && !there) void stream.reach(sessionId, at)
  }, [sessionId, at, opened, there])
  useLayoutEffect(() => {
    if (key === null || shown.current === asked) return
    const el = scroller.current?.querySelector<HTMLElement>(`[data-row="${CSS.escape(key)}"]`)
    if (!el) {
      if (drawn.current === asked) return
      drawn.current = asked
      leave()
      around(index)
      return
    }
    shown.current = asked
    leave()
    // A prompt is read from its beginning on, with what was said to it.
    el.scrollIntoView({ block: sought?.focus ? 'start' : 'center' })
    if (sought?.focus !== false) el.focus({ preventScroll: true })
  })
  return key
}

/** Remembers where the reader was, and takes them back there: also after a reload, once what is there was fetched. */
function usePlace({ sessionId, place, view, scroller, following, from, around, follow }: {
  sessionId: string
  place: Place | undefined
  view: SessionView
  scroller: RefObject<HTMLElement | null>
  following: boolean
  from: string | undefined
  around: (index: number) => void
  follow: () => void
}): void {
  const { rows, opened, more, first } = view
  const index = place ? rows.findIndex((r) => r.key === place.row) : -1
  const sought = useRef(place !== undefined)
  useEffect(() => {
    if (!place || !sought.current || !opened || index >= 0) return
    if (more && first > place.seq) void stream.reach(sessionId, place.seq)
    else {
      sought.current = false // it is gone, as after a rewind
      follow()
    }
  }, [sessionId, place, opened, more, first, index, follow])
  const drawn = useRef(false)
  useLayoutEffect(() => {
    const el = scroller.current
    if (following) sought.current = false // who goes to the end meanwhile wants to be there
    if (!el || !place || !sought.current || index < 0) return
    const row = el.querySelector(`[data-row="${CSS.escape(place.row)}"]`)
    if (!row) {
      if (!drawn.current) around(index)
      drawn.current = true
      return
    }
    sought.current = false
    const back = () => void (el.scrollTop += row.getBoundingClientRect().top - el.getBoundingClientRect().top - place.top)
    back()
    // Rows that come near sight have their true height only once they are drawn.
    requestAnimationFrame(() => requestAnimationFrame(() => row.isConnected && back()))
  })

  const now = useRef({ following, from, rows })
  useLayoutEffect(() => {
    now.current = { following, from, rows }
  }, [following, from, rows])
  useLayoutEffect(() => {
    const el = scroller.current
    if (!el) return
    const note = () => {
      if (sought.current) return // not there yet: it holds as it is
      const top = el.getBoundingClientRect().top
      const seen = [...el.querySelectorAll<HTMLElement>('[data-row]')].find((r) => r.getBoundingClientRect().bottom > top)
      const row = now.current.rows.find((r) => r.key === seen?.dataset.row)
      places.set(sessionId, now.current.following || !seen || !row ? undefined : { row: row.key, seq: row.seq, top: seen.getBoundingClientRect().top - top, from: now.current.from ?? row.key })
    }
    // A tab that is put away may be ended without a word.
    const away = () => document.visibilityState === 'hidden' && note()
    addEventListener('pagehide', note)
    document.addEventListener('visibilitychange', away)
    return () => {
      removeEventListener('pagehide', note)
      document.removeEventListener('visibilitychange', away)
      note()
    }
  }, [sessionId, scroller])
}

/** What is going on now, at the end of the text. */
function Now({ view }: { view: SessionView }) {
  if (view.retry) {
    const r = view.retry
    return (
      <p className="flex items-center gap-2 text-minor text-wait">
        <Icon name="clock" size={15} className="animate-glow" />
        <span>{m.two_sentences({ first: retryReason(r.status), second: m.retry_again({ wait: duration(r.delayMs), attempt: r.attempt, all: r.maxRetries }) })}</span>
      </p>
    )
  }
  if (view.state === 'queued') return <p className="text-minor text-muted">{!view.place ? m.queue_waiting() : view.own ? m.queue_own({ place: view.place }) : m.queue_place({ place: view.place })}</p>
  const text = activityText(view.activity)
  if (text === '' || view.activity === 'writing') return null
  return (
    <p className="flex items-center gap-2 text-minor text-muted">
      <span className="animate-glow">
        <Lamp light="running" size={14} />
      </span>
      {text}
    </p>
  )
}
