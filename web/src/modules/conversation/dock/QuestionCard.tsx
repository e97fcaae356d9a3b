import { useMemo, useState } from 'react'
import { Button } from '@/components/Button'
import { Markdown } from '@/components/markdown/Markdown'
import { plain } from '@/components/plain'
import { m } from '@/i18n/paraglide/messages.js'
import type { CardProps } from './Dock'
import { useHalf } from './half'
import { answersOf, previewedOf, questionsOf, type Question } from './suggestions'

/** Questions of Claude's: one or several of the options, or words of one's own. */
export function QuestionCard({ half, request, busy, answer }: CardProps) {
  const questions = useMemo(() => questionsOf(request.input), [request])
  const [labels, setLabels] = useHalf<string[][]>(half, 'picked', questions.map(() => []))
  const [own, setOwn] = useHalf<string[]>(half, 'own', questions.map(() => ''))
  const picked = labels.map((l) => new Set(l))
  const complete = questions.every((_, i) => picked[i]!.size > 0 || own[i]!.trim() !== '')
  const pick = (i: number, label: string, on: boolean) => {
    const q = questions[i]!
    const next = new Set(q.multi ? picked[i] : [])
    if (on) next.add(label)
    else next.delete(label)
    setLabels(labels.with(i, [...next]))
    if (!q.multi && on) setOwn(own.with(i, ''))
  }
  const write = (i: number, text: string) => {
    setOwn(own.with(i, text))
    if (!questions[i]!.multi && text !== '') setLabels(labels.with(i, []))
  }
  return (
    <form
      className="flex min-h-0 flex-col"
      onSubmit={(e) => {
        e.preventDefault()
        answer({ behavior: 'allow', updated_input: { ...request.input, answers: answersOf(questions, picked, own) } })
      }}
    >
      <div className="scroller flex min-h-0 flex-col gap-4 px-4 pt-3 pb-1">
        {questions.map((q, i) => (
          <Ask key={i} q={q} name={`${request.id}-${i}`} picked={picked[i]!} own={own[i]!} onPick={(l, on) => pick(i, l, on)} onWrite={(t) => write(i, t)} />
        ))}
      </div>
      <div className="flex shrink-0 flex-wrap gap-2 px-4 pt-2 pb-4">
        <Button type="submit" look="primary" busy={busy} disabled={!complete} className="max-desk:flex-[1_1_45%]">
          {m.question_answer()}
        </Button>
        <Button busy={busy} className="max-desk:flex-[1_1_30%]" onClick={() => answer({ behavior: 'deny', message: m.question_skipped() })}>
          {m.question_skip()}
        </Button>
      </div>
    </form>
  )
}

interface AskProps {
  q: Question
  name: string
  picked: ReadonlySet<string>
  own: string
  onPick: (label: string, on: boolean) => void
  onWrite: (text: string) => void
}

function Ask({ q, name, picked, own, onPick, onWrite }: AskProps) {
  const [at, setAt] = useState<string>()
  const previewed = previewedOf(q, at, picked)
  return (
    <fieldset>
      <legend className="font-strong">
        {q.header && <span className="block text-small text-muted">{q.header}</span>}
        {q.question} {q.multi && <span className="text-minor font-normal text-muted">{m.question_several()}</span>}
      </legend>
      <div className="mt-1 flex flex-col">
        {q.options.map((o) => (
          <label key={o.label} onPointerEnter={() => setAt(o.label)} onPointerLeave={() => setAt(undefined)} className="flex min-h-11 items-start gap-2.5 rounded-control border border-transparent px-2.5 py-1.5 hover:bg-hover has-checked:border-accent has-checked:bg-surface desk:min-h-9 desk:py-1">
            <input type={q.multi ? 'checkbox' : 'radio'} name={name} checked={picked.has(o.label)} onFocus={() => setAt(o.label)} onChange={(e) => onPick(o.label, e.target.checked)} className="mt-1 size-4 shrink-0 accent-accent" />
            <span className="min-w-0">
              <span className="block">{o.label}</span>
              {o.description && <span className="block text-minor text-muted">{o.description}</span>}
            </span>
          </label>
        ))}
        <input
          value={own}
          onChange={(e) => onWrite(e.target.value)}
          placeholder={m.question_own()}
          aria-label={`${q.question} ${m.question_own()}`}
          className="mt-2 min-h-11 rounded-control border border-edge bg-surface px-3 py-1.5 text-[1rem] desk:min-h-9 desk:text-minor"
        />
      </div>
      {previewed !== undefined && (
        // All of them in one place, of which one is seen: the card keeps its height, and no option slips away from under the pointer.
        <div className="mt-2 grid rounded-control border bg-surface">
          {q.options.map((o) => (
            <div key={o.label} className={`col-start-1 row-start-1 min-w-0 p-3 ${o.label === previewed ? '' : 'invisible'}`}>
              <p className="mb-1 text-small text-muted">{o.label}</p>
              {o.preview ? <Preview text={o.preview} /> : <p className="text-minor text-muted">{m.question_no_preview()}</p>}
            </div>
          ))}
        </div>
      )}
    </fieldset>
  )
}

/** What an option would look like: a drawing in letters as it stands, unless its code is fenced. */
export function Preview({ text }: { text: string }) {
  if (/^ {0,3}(```|~~~)/m.test(text)) return <Markdown text={text} />
  return <pre className="scroller font-mono text-code" tabIndex={0}>{plain(text)}</pre>
}
