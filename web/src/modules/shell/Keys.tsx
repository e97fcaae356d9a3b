import { Link } from '@tanstack/react-router'
import { Dialog } from '@/components/Dialog'
import { mac } from '@/components/mac'
import { m } from '@/i18n/paraglide/messages.js'
import { useSingleKeys } from './singleKeys'

/** The names on a Mac's keys. In a terminal Ctrl is Ctrl there, too. */
function keysOf(key: string): string[] {
  const names = key.split(' ')
  return mac && !names.includes('Shift') ? names.map((n) => ({ Ctrl: '⌘', Alt: '⌥' })[n] ?? n) : names
}

/** What the keyboard can do. */
export function Keys({ onClose }: { onClose: () => void }) {
  const keys: [string, string][] = [
    ['Ctrl K', m.key_palette()],
    ['N', m.key_new()],
    ['/', m.key_compose()],
    ['W', m.key_work()],
    ['Enter', m.key_send()],
    ['Shift Enter', m.key_newline()],
    ['Ctrl F', m.find_label()],
    ['↑ ↓', m.key_history()],
    ['Alt ↑', m.key_prompt_before()],
    ['Alt ↓', m.key_prompt_after()],
    ['@', m.key_mention()],
    ['Esc', m.key_stop()],
    ['Esc', m.key_request()],
    ['A', m.key_allow()],
    ['D', m.key_deny()],
    ['1 … 9', m.key_always()],
    ['J K', m.key_next_file()],
    ['F6', m.key_leave_terminal()],
    ['Ctrl Shift F', m.key_find_terminal()],
    ['Ctrl S', m.key_save()],
    ['F2', m.key_rename()],
    ['Del', m.key_delete()],
    ['Esc Tab', m.key_leave_editor()],
    ['?', m.key_help()],
  ]
  return (
    <Dialog title={m.keys_title()} onClose={onClose}>
      <dl className="grid grid-cols-[auto_1fr] gap-x-6 gap-y-2 text-minor">
        {keys.map(([key, what]) => (
          <div key={what} className="contents">
            <dt>
              {keysOf(key).map((k) => (
                <kbd key={k} className="mr-1 rounded-small border border-line bg-sunken px-1.5 py-0.5 font-mono text-small">
                  {k}
                </kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <p className="mt-4 text-minor text-muted">
        {useSingleKeys() ? m.keys_single_on() : m.keys_single_off()}{' '}
        <Link to="/account" onClick={onClose} className="inline-flex min-h-11 items-center text-info underline desk:min-h-0">
          {m.account()}
        </Link>
      </p>
    </Dialog>
  )
}
