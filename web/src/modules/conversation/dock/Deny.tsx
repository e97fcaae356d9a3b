import { Button } from '@/components/Button'
import { m } from '@/i18n/paraglide/messages.js'
import { useHalf } from './half'

interface Props {
  half: string
  label: string
  note?: string
  busy: boolean
  /** Whether it was opened just now. */
  focus: boolean
  stop?: boolean
  onDeny: (message: string, interrupt: boolean) => void
  onCancel: () => void
}

/** Saying no, with a word to Claude if the user has one. */
export function Deny({ half, label, note, busy, focus, stop = true, onDeny, onCancel }: Props) {
  const [word, setWord] = useHalf(half, 'word', '')
  return (
    <form
      className="flex flex-col gap-2 px-4 pt-1 pb-4"
      onSubmit={(e) => {
        e.preventDefault()
        onDeny(word.trim() || m.deny_default(), false)
      }}
    >
      <label className="flex flex-col gap-1 text-minor">
        <span className="font-strong">{label}</span>
        <textarea
          autoFocus={focus}
          rows={2}
          onKeyDown={(e) => {
            if (e.nativeEvent.isComposing || e.keyCode === 229) return
            if (e.key === 'Escape') onCancel()
            if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) e.currentTarget.form?.requestSubmit()
          }}
          value={word}
          onChange={(e) => setWord(e.target.value)}
          placeholder={m.deny_hint()}
          className="w-full resize-none rounded-control border border-edge bg-surface px-3 py-2 text-[1rem] desk:text-body"
        />
      </label>
      {note && <p className="text-small text-muted">{note}</p>}
      <div className="flex flex-wrap gap-2">
        <Button type="submit" look="danger" busy={busy} className="bg-surface max-desk:flex-1">
          {m.deny()}
        </Button>
        {stop && (
          <Button busy={busy} onClick={() => onDeny(word.trim() || m.deny_default(), true)} className="max-desk:flex-1">
            {m.deny_and_stop()}
          </Button>
        )}
        <Button look="plain" onClick={onCancel}>
          {m.back()}
        </Button>
      </div>
    </form>
  )
}
