import { useEffect, useEffectEvent, useId, useLayoutEffect, useRef, useState, type KeyboardEvent } from 'react'
import { Button, IconButton } from '@/components/Button'
import { Icon } from '@/components/Icon'
import type { Command } from '@/conversation/line'
import { m } from '@/i18n/paraglide/messages.js'
import { takeHanded } from '@/share/handed'
import { stream } from '@/stream/page'
import { Attachments } from './Attachments'
import { drafts, useDraft } from './draft'
import { step } from './history'
import { mention, mentionAt, naming } from './mention'
import { contentOf } from './pictures'
import { goToComposer, goToRequest } from './dock/useCardKeys'
import { Suggestions, type Suggestion } from './Suggestions'
import { composes, sends, takes } from './typing'
import { useAttach } from './useAttach'
import { useDrop } from './useDrop'
import { commandIn, matching, useFiles } from './useSuggestions'
import { takeDown, useVoice } from './useVoice'

interface Props {
  sessionId: string
  /** Its folder has the files that `@` names; empty outside of projects, and not there while it is not known. */
  project?: string
  running: boolean
  /** A Stop may not have reached the server. */
  stopUnsure: boolean
  waiting: boolean
  /** Nothing was said yet: writing is what one came for. */
  fresh: boolean
  commands: readonly Command[]
  /** The user's own prompts, the newest first. */
  prompts: readonly string[]
}

/** Where a prompt is written. Enter sends at a desk and is a new line on a phone; a composition never sends. */
export function Composer({ sessionId, project, running, stopUnsure, waiting, fresh, commands, prompts }: Props) {
  const [draft, change] = useDraft(sessionId)
  const { text } = draft
  const [caret, setCaret] = useState(text.length)
  const [chosen, setChosen] = useState(0)
  const [closed, setClosed] = useState(false)
  const [past, setPast] = useState(-1)
  const area = useRef<HTMLTextAreaElement>(null)
  const next = useRef<number | null>(null)
  const file = useRef<HTMLInputElement>(null)
  const listId = useId()
  const { uploads, add, retry, cancel } = useAttach(sessionId, project)
  // What another app shared comes as if it was pasted, once it is known where files go.
  const take = useEffectEvent(() => void add(takeHanded(sessionId)))
  useEffect(() => {
    if (project !== undefined) take()
  }, [project])
  useEffect(() => {
    if (fresh && document.activeElement === document.body) goToComposer()
  }, [fresh])
  const dragging = useDrop((files) => void add(files))
  const voice = useVoice((words) => write(takeDown(text, words)))

  const write = (value: string, at = value.length) => {
    change({ text: value })
    setCaret(at)
    next.current = at
    setChosen(0)
    setClosed(false)
  }

  const at = closed ? null : mentionAt(text, caret)
  const files = useFiles(project ?? '', at)
  const items: Suggestion[] = closed
    ? []
    : at !== null
      ? files.map((f) => ({
          key: f.path,
          main: f.folder ? `${f.path}/` : f.path,
          take: () => {
            const done = mention(text, at, f.path, f.folder)
            write(done.text, done.caret)
            area.current?.focus()
          },
        }))
      : matching(text, commands).map((c) => ({
          key: c.name,
          main: `/${c.name}`,
          hint: c.hint,
          note: c.description,
          take: () => {
            write(`/${c.name} `)
            area.current?.focus()
          },
        }))
  const current = Math.min(chosen, items.length - 1)
  const command = commandIn(text, commands)
  const help = command?.hint || command?.description ? command : undefined
  const sending = uploads.some((u) => u.state === 'queued' || u.state === 'sending')
  const empty = text.trim() === '' && draft.pictures.length + draft.files.length === 0

  // A text that we wrote has its caret where we say; where `field-sizing` is missing the height follows by hand.
  useLayoutEffect(() => {
    const el = area.current
    if (!el) return
    if (next.current !== null && document.activeElement === el) el.setSelectionRange(next.current, next.current)
    next.current = null
    if (CSS.supports('field-sizing', 'content')) return
    el.style.height = 'auto'
    el.style.height = `${el.scrollHeight}px`
  }, [text])

  const send = () => {
    if (empty || sending) return
    const named = draft.files.map((f) => naming(f.path)).join(' ')
    stream.prompt(sessionId, contentOf([text.trim(), named].filter(Boolean).join('\n\n'), draft.pictures))
    drafts.done(sessionId)
    setPast(-1)
    setClosed(false)
  }

  const onKey = (e: KeyboardEvent<HTMLTextAreaElement>) => {
    const press = { key: e.key, shiftKey: e.shiftKey, isComposing: e.nativeEvent.isComposing, keyCode: e.keyCode }
    if (composes(press)) return
    const coarse = matchMedia('(pointer: coarse)').matches
    const take = (does: () => void) => {
      e.preventDefault()
      does()
    }
    const by = e.key === 'ArrowUp' ? -1 : e.key === 'ArrowDown' ? 1 : 0
    if (items.length > 0) {
      if (by !== 0) return take(() => setChosen((current + by + items.length) % items.length))
      if (takes(press, coarse, items[current]!.main === text)) return take(items[current]!.take)
      if (e.key === 'Escape') return take(() => setClosed(true))
    }
    if (by !== 0 && !e.shiftKey && !e.altKey && !e.ctrlKey && !e.metaKey) {
      const to = step(prompts, past, text, by === -1 ? 1 : -1)
      if (to !== undefined) {
        return take(() => {
          setPast(to)
          write(prompts[to] ?? '')
          setClosed(true)
        })
      }
    }
    if (e.key === 'Escape' && waiting && goToRequest()) return take(() => {})
    if (e.key === 'Escape' && running) return take(() => stream.interrupt(sessionId))
    if (sends(press, coarse)) take(send)
  }

  const follow = (el: HTMLTextAreaElement) => setCaret(el.selectionStart)

  return (
    <div className="relative mx-auto w-full max-w-[53rem] px-3 pb-2 desk:px-6 desk:pb-3">
      {items.length > 0 && <Suggestions id={listId} label={at !== null ? m.mention_files() : m.commands()} items={items} chosen={current} />}
      <div className="relative rounded-card border border-edge bg-surface focus-within:border-accent focus-within:outline focus-within:outline-accent">
        {dragging && <p className="absolute inset-0 z-10 grid min-h-11 place-items-center rounded-card border-2 border-dashed border-accent bg-surface text-minor font-strong">{m.attach_drop()}</p>}
        {draft.aside.length > 0 && (
          <div className="flex items-center gap-2 border-b ps-3 pe-1 text-minor text-muted">
            <p className="min-w-0 flex-1 py-1.5">{m.draft_aside()}</p>
            <Button
              look="plain"
              onClick={() => {
                drafts.done(sessionId)
                area.current?.focus()
              }}
            >
              {m.draft_aside_drop()}
            </Button>
          </div>
        )}
        {help && (
          <p id={`${listId}-help`} className="truncate px-3 pt-2 text-small text-muted">
            {help.hint && <span className="me-2 font-mono">{help.hint}</span>}
            {help.description}
          </p>
        )}
        <Attachments draft={draft} onChange={change} uploads={uploads} onCancel={cancel} onRetry={retry} />
        {running && stopUnsure && (
          <p role="alert" className="px-3 pt-2 text-minor text-danger">
            {m.stop_unsure()}
          </p>
        )}
        {voice?.heard && <p className="px-3 pt-2 text-minor text-muted">{voice.heard}</p>}
        {voice?.failed && (
          <p role="alert" className="px-3 pt-2 text-minor text-danger">
            {m.voice_failed()}
          </p>
        )}
        <div className="flex items-end gap-1 p-1.5">
          <IconButton label={m.attach()} onClick={() => file.current?.click()}>
            <Icon name="plus" />
          </IconButton>
          <input
            ref={file}
            type="file"
            multiple
            hidden
            onChange={(e) => {
              void add(e.target.files ?? [])
              e.target.value = ''
            }}
          />
          <textarea
            ref={area}
            data-composer
            rows={1}
            value={text}
            aria-label={m.composer_label()}
            role={items.length > 0 ? 'combobox' : undefined}
            aria-expanded={items.length > 0 || undefined}
            aria-controls={items.length > 0 ? listId : undefined}
            aria-describedby={help ? `${listId}-help` : undefined}
            aria-activedescendant={items.length > 0 ? `${listId}-${current}` : undefined}
            placeholder={waiting ? (matchMedia('(pointer: fine) and (width >= 48rem)').matches ? m.composer_waiting_keys() : m.composer_waiting()) : running ? m.composer_running() : m.composer_idle()}
            onChange={(e) => {
              change({ text: e.target.value })
              follow(e.target)
              setClosed(false)
              setChosen(0)
              setPast(-1)
            }}
            onSelect={(e) => follow(e.currentTarget)}
            onKeyDown={onKey}
            onPaste={(e) => {
              const pasted = [...e.clipboardData.files]
              // Spreadsheets give a picture of the cells beside their text: then the text is meant.
              if (pasted.length === 0 || e.clipboardData.getData('text/plain') !== '') return
              e.preventDefault()
              void add(pasted)
            }}
            className="[field-sizing:content] max-h-[40dvh] min-h-11 min-w-0 flex-1 resize-none bg-transparent px-1 py-2.5 text-[1rem] leading-normal outline-none placeholder:text-muted desk:min-h-8 desk:py-1 desk:text-body"
          />
          {voice && (
            <IconButton label={voice.listening ? m.voice_stop() : m.voice()} aria-pressed={voice.listening} onClick={voice.toggle} className={voice.listening ? 'text-danger!' : running ? 'max-desk:hidden' : ''}>
              <Icon name="voice" />
            </IconButton>
          )}
          {running && (
            <IconButton label={m.stop()} onClick={() => stream.interrupt(sessionId)} className="border border-edge/50 text-content!">
              <Icon name="stop" />
            </IconButton>
          )}
          <button
            type="button"
            onClick={send}
            disabled={empty || sending}
            aria-label={running ? m.send_queue() : m.send()}
            title={running ? m.send_queue() : m.send()}
            className="grid size-11 shrink-0 place-items-center rounded-control bg-accent text-on-accent transition-[filter,opacity] hover:brightness-110 disabled:opacity-35 desk:size-8"
          >
            <Icon name="send" />
          </button>
        </div>
      </div>
    </div>
  )
}
