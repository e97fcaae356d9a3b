import { copiedText } from '@/components/clipboard'
import { Icon } from '@/components/Icon'
import { toast } from '@/components/Toasts'
import { m } from '@/i18n/paraglide/messages.js'
import type { Screen, View } from './screen'
import type { Key } from './text'

const signs = ['|', '~', '/', '-', '_', '*', '&', '$', '"', "'", '<', '>']

/** The keys that a phone's keyboard lacks. A touch leaves the focus, and so the keyboard, where it is. */
export function KeyBar({ screen, view }: { screen: Screen; view: View }) {
  const key = 'inline-grid h-11 min-w-11 shrink-0 place-items-center rounded-control border border-edge/50 bg-surface px-2 font-mono text-minor active:bg-hover aria-pressed:bg-accent aria-pressed:text-on-accent'
  const named: [Key, string, string][] = [
    ['Escape', 'Esc', m.key_escape()],
    ['Tab', 'Tab', m.key_tab()],
  ]
  const moves: [Key, string, string][] = [
    ['ArrowLeft', '←', m.key_left()],
    ['ArrowUp', '↑', m.key_up()],
    ['ArrowDown', '↓', m.key_down()],
    ['ArrowRight', '→', m.key_right()],
  ]
  const button = ([name, face, label]: [Key, string, string]) => (
    <button key={name} type="button" aria-label={label} className={key} onClick={() => screen.press(name)}>
      {face}
    </button>
  )
  const hold = (which: 'ctrl' | 'alt', face: string) => (
    <button type="button" aria-pressed={view.held[which]} className={key} onClick={() => screen.hold(which)}>
      {face}
    </button>
  )
  return (
    <div role="toolbar" tabIndex={-1} aria-label={m.key_bar()} onPointerDown={(e) => e.preventDefault()} onMouseDown={(e) => e.preventDefault()} className="flex shrink-0 gap-1 overflow-x-auto border-t bg-page p-1 safe-bottom pointer-fine:hidden">
      {view.selection && (
        <button type="button" aria-label={m.copy()} className={key} onClick={() => screen.copy()}>
          <Icon name="copy" size={18} />
        </button>
      )}
      {named.map(button)}
      <button type="button" aria-label={m.paste_do()} className={key} onClick={() => void copiedText().then((text) => (text === null ? toast(m.paste_refused()) : screen.paste(text)))}>
        <Icon name="paste" size={18} />
      </button>
      {hold('ctrl', 'Ctrl')}
      {hold('alt', 'Alt')}
      {moves.map(button)}
      {signs.map((s) => (
        <button key={s} type="button" className={key} onClick={() => screen.press(s)}>
          {s}
        </button>
      ))}
      {button(['Home', 'Home', m.key_home()])}
      {button(['End', 'End', m.key_end()])}
      {button(['PageUp', 'PgUp', m.key_page_up()])}
      {button(['PageDown', 'PgDn', m.key_page_down()])}
    </div>
  )
}
