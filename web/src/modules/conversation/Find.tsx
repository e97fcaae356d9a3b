import { useEffect, useMemo, useState, type RefObject } from 'react'
import { IconButton } from '@/components/Button'
import { Icon } from '@/components/Icon'
import { rowsWith } from '@/conversation/words'
import { number } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { stream } from '@/stream/page'
import type { SessionView } from '@/stream/held'
import { composes } from './typing'

interface Props {
  sessionId: string
  view: SessionView
  scroller: RefObject<HTMLElement | null>
  onGo: (key: string) => void
  onClose: () => void
}

/** Finds words in the whole conversation, also in what is not drawn or not fetched yet; the browser's own search cannot. */
export function Find({ sessionId, view, scroller, onGo, onClose }: Props) {
  const [words, setWords] = useState('')
  const [at, setAt] = useState<string | null>(null)
  const hits = useMemo(() => rowsWith(view.rows, words), [view.rows, words])
  const index = at === null ? -1 : hits.indexOf(at)
  useEffect(() => {
    void stream.reach(sessionId, 1)
  }, [sessionId])

  const go = (step: number) => {
    if (hits.length === 0) return
    // The first is the last one said.
    const next = index < 0 ? hits.length - 1 : (index + step + hits.length) % hits.length
    setAt(hits[next]!)
    onGo(hits[next]!)
  }

  // The words themselves, wherever they are drawn.
  useEffect(() => {
    if (!('highlights' in CSS)) return
    const mark = () => CSS.highlights.set('carrel-find', new Highlight(...rangesOf(scroller.current, words)))
    mark()
    const drawn = new MutationObserver(mark)
    if (scroller.current && words !== '') drawn.observe(scroller.current, { childList: true, subtree: true, characterData: true })
    return () => {
      drawn.disconnect()
      CSS.highlights.delete('carrel-find')
    }
  }, [words, scroller])

  return (
    <form
      role="search"
      className="absolute inset-x-3 top-2 z-10 flex items-center gap-1 rounded-card border bg-surface p-1 ps-3 shadow-float desk:inset-x-auto desk:end-4 desk:w-96"
      onSubmit={(e) => {
        e.preventDefault()
        go(-1)
      }}
      onKeyDown={(e) => {
        if (composes(e.nativeEvent)) return
        if (e.key === 'Escape') {
          e.preventDefault()
          e.stopPropagation()
          onClose()
        } else if (e.key === 'Enter' && e.shiftKey) {
          e.preventDefault()
          go(1)
        }
      }}
    >
      <Icon name="search" size={15} className="text-muted" />
      <input value={words} onChange={(e) => setWords(e.target.value)} aria-label={m.find_label()} placeholder={m.find_label()} autoFocus maxLength={200} className="min-h-11 min-w-0 flex-1 bg-transparent px-1 text-[1rem] outline-none desk:min-h-8 desk:text-minor" />
      <span role="status" className="text-small whitespace-nowrap text-muted tabular">
        {words !== '' && (hits.length === 0 ? (view.more ? m.loading() : m.find_none()) : index < 0 ? m.find_found({ all: number(hits.length) }) : m.find_count({ at: number(index + 1), all: number(hits.length) }))}
      </span>
      <IconButton type="submit" label={m.find_before()}>
        <Icon name="chevron" size={15} className="rotate-180" />
      </IconButton>
      <IconButton label={m.find_next()} onClick={() => go(1)}>
        <Icon name="chevron" size={15} />
      </IconButton>
      <IconButton label={m.close()} onClick={onClose}>
        <Icon name="close" size={15} />
      </IconButton>
    </form>
  )
}

const maxRanges = 500

function rangesOf(root: HTMLElement | null, words: string): Range[] {
  const out: Range[] = []
  const wanted = words.toLowerCase()
  if (!root || wanted === '') return out
  const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT)
  for (let node = walk.nextNode(); node && out.length < maxRanges; node = walk.nextNode()) {
    const text = node.nodeValue!.toLowerCase()
    for (let i = text.indexOf(wanted); i >= 0; i = text.indexOf(wanted, i + wanted.length)) {
      const range = new Range()
      range.setStart(node, i)
      range.setEnd(node, Math.min(i + wanted.length, node.nodeValue!.length))
      out.push(range)
    }
  }
  return out
}
