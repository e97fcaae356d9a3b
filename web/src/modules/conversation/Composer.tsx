import { useId, useLayoutEffect, useRef, useState, type KeyboardEvent } from 'react'
import { IconButton } from '@/components/Button'
import { Icon } from '@/components/Icon'
import type { Command } from '@/conversation/line'
import { m } from '@/i18n/paraglide/messages.js'
import { stream } from '@/stream/page'
import { CommandList, matching } from './CommandList'
import { useDraft } from './draft'
import { acceptedPictures, contentOf, isPicture, readPicture, type Picture } from './pictures'

interface Props {
  sessionId: string
  running: boolean
  waiting: boolean
  commands: readonly Command[]
}

/** Where a prompt is written. Enter sends at a desk and is a new line on a phone; a composition never sends. */
export function Composer({ sessionId, running, waiting, commands }: Props) {
  const [text, setText] = useDraft(sessionId)
  const [pictures, setPictures] = useState<Picture[]>([])
  const [refused, setRefused] = useState(false)
  const [chosen, setChosen] = useState(0)
  const [closed, setClosed] = useState(false)
  const area = useRef<HTMLTextAreaElement>(null)
  const file = useRef<HTMLInputElement>(null)
  const listId = useId()
  const found = closed ? [] : matching(text, commands)
  const current = Math.min(chosen, found.length - 1)
  const empty = text.trim() === '' && pictures.length === 0

  // Where `field-sizing` is missing the height follows the text by hand.
  useLayoutEffect(() => {
    const el = area.current
    if (!el || CSS.supports('field-sizing', 'content')) return
    el.style.height = 'auto'
    el.style.height = `${el.scrollHeight}px`
  }, [text])

  const send = () => {
    if (empty) return
    stream.prompt(sessionId, contentOf(text.trim(), pictures))
    setText('')
    setPictures([])
    setRefused(false)
  }

  const take = (command: Command) => {
    setText(`/${command.name} `)
    setChosen(0)
    area.current?.focus()
  }

  const add = async (files: Iterable<File>) => {
    const all = [...files]
    const good = all.filter(isPicture)
    setRefused(good.length < all.length)
    const read = await Promise.all(good.map(readPicture))
    setPictures((before) => [...before, ...read])
  }

  const onKey = (e: KeyboardEvent<HTMLTextAreaElement>) => {
    // While an input method composes, Enter and Escape are its own.
    if (e.nativeEvent.isComposing || e.keyCode === 229) return
    if (found.length > 0) {
      if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
        e.preventDefault()
        setChosen((current + (e.key === 'ArrowDown' ? 1 : found.length - 1)) % found.length)
        return
      }
      if (e.key === 'Tab' || (e.key === 'Enter' && !e.shiftKey)) {
        e.preventDefault()
        take(found[current]!)
        return
      }
      if (e.key === 'Escape') {
        e.preventDefault()
        setClosed(true)
        return
      }
    }
    if (e.key === 'Escape' && running) {
      e.preventDefault()
      stream.interrupt(sessionId)
      return
    }
    if (e.key === 'Enter' && !e.shiftKey && !matchMedia('(pointer: coarse)').matches) {
      e.preventDefault()
      send()
    }
  }

  return (
    <div className="relative mx-auto w-full max-w-[848px] px-3 pb-2 desk:px-6 desk:pb-3">
      {found.length > 0 && <CommandList id={listId} commands={found} chosen={current} onTake={take} />}
      <div className="rounded-card border border-edge bg-surface focus-within:border-accent focus-within:outline focus-within:outline-accent">
        {pictures.length > 0 && (
          <ul className="flex flex-wrap gap-2 px-3 pt-3">
            {pictures.map((p, i) => (
              <li key={i} className="relative">
                <img src={`data:${p.mediaType};base64,${p.data}`} alt={p.name} className="h-16 rounded-control border object-cover" />
                <button type="button" aria-label={m.picture_remove({ name: p.name })} onClick={() => setPictures(pictures.filter((_, n) => n !== i))} className="absolute -top-2 -right-2 grid size-6 place-items-center rounded-full border bg-surface">
                  <Icon name="close" size={12} />
                </button>
              </li>
            ))}
          </ul>
        )}
        {refused && <p className="px-3 pt-2 text-minor text-danger">{m.picture_refused()}</p>}
        <div className="flex items-end gap-1 p-1.5">
          <IconButton label={m.picture_add()} onClick={() => file.current?.click()}>
            <Icon name="plus" />
          </IconButton>
          <input
            ref={file}
            type="file"
            accept={acceptedPictures}
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
            role={found.length > 0 ? 'combobox' : undefined}
            aria-expanded={found.length > 0 || undefined}
            aria-controls={found.length > 0 ? listId : undefined}
            aria-activedescendant={found.length > 0 ? `${listId}-${current}` : undefined}
            placeholder={waiting ? m.composer_waiting() : running ? m.composer_running() : m.composer_idle()}
            onChange={(e) => {
              setText(e.target.value)
              setClosed(false)
              setChosen(0)
            }}
            onKeyDown={onKey}
            onPaste={(e) => {
              const files = [...e.clipboardData.files]
              if (files.length > 0) {
                e.preventDefault()
                void add(files)
              }
            }}
            className="[field-sizing:content] max-h-[40dvh] min-h-11 min-w-0 flex-1 resize-none bg-transparent px-1 py-2.5 text-[1rem] leading-normal outline-none placeholder:text-muted desk:min-h-8 desk:py-1 desk:text-body"
          />
          {running && (
            <IconButton label={m.stop()} onClick={() => stream.interrupt(sessionId)} className="border border-edge/50 text-content!">
              <Icon name="stop" />
            </IconButton>
          )}
          <button
            type="button"
            onClick={send}
            disabled={empty}
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
