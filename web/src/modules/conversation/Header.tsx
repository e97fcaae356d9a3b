import { Link } from '@tanstack/react-router'
import type { Session } from '@/api/wire'
import { IconButton } from '@/components/Button'
import { Icon } from '@/components/Icon'
import { Lamp, type Light } from '@/components/Lamp'
import { Menu, MenuChoices, MenuItem, MenuLine, type Choice } from '@/components/Menu'
import { toast } from '@/components/Toasts'
import { m } from '@/i18n/paraglide/messages.js'
import { SessionEntries } from '@/modules/sessions/SessionActions'
import { titleOf } from '@/modules/sessions/SessionList'
import { effortName, lightName, modeName } from '@/modules/sessions/words'
import { stream } from '@/stream/page'
import type { SessionView } from '@/stream/held'
import { CompactItem, ContextMeter } from './ContextMeter'
import { effortChoices, modeChoices, modelChoices } from './pickers'
import { tabName, workTabs } from './work/tabs'
import type { WorkPlace } from './work/useWork'

const workIcons = { changes: 'pen', files: 'folder', terminal: 'terminal', tasks: 'list' } as const

const chip = 'inline-flex min-h-8 max-w-40 min-w-0 items-center gap-1 rounded-full border px-3 text-minor text-muted transition-colors hover:bg-hover hover:text-content'

/** What is on, and the choice of others. */
function Picker({ text, label, value, choices, onChange, className = '' }: { text: string; label: string; value: string; choices: readonly Choice[]; onChange: (value: string) => void; className?: string }) {
  return (
    <Menu
      trigger={
        <button type="button" className={`${chip} ${className}`} aria-label={label}>
          <span className="truncate">{text}</span>
          <Icon name="chevron" size={13} className="shrink-0" />
        </button>
      }
    >
      <MenuChoices value={value} choices={choices} onChange={onChange} />
    </Menu>
  )
}

/** The line above a conversation: lamp, title, model, effort, mode, context. */
export function Header({ session, view, light, id, work, onFind }: { session: Session | undefined; view: SessionView; light: Light; id: string; work: WorkPlace; onFind: () => void }) {
  const model = modelChoices(view, session)
  const mode = view.mode ?? session?.permission_mode ?? 'default'
  const effort = session?.effort ?? 'default'
  const efforts = effortChoices(view, model.value, effort)
  const set = (change: Parameters<typeof stream.set>[1]) => stream.set(id, change) || toast(m.not_changed())
  const setModel = (value: string) => set({ model: value })
  const setEffort = (value: string) => set({ effort: value })
  const setMode = (value: string) => set({ permission_mode: value })
  return (
    <header className="flex items-center gap-2 border-b py-1.5 pr-1.5 pl-1 desk:gap-2.5 desk:py-2 desk:pr-4 desk:pl-6">
      <Link to="/" aria-label={m.back()} className="grid size-11 place-items-center rounded-control text-muted hover:bg-hover desk:hidden">
        <Icon name="back" size={20} />
      </Link>
      <Lamp light={light} place={view.place} label={lightName(light)} />
      <div className="min-w-0 flex-1 desk:min-w-24">
        <h1 className="truncate font-strong">{titleOf({ title: view.title ?? session?.title ?? '' })}</h1>
        <p className="truncate text-small text-muted desk:hidden">{[session?.project, model.label, effort !== 'default' && m.effort_now({ name: effortName(effort) }), modeName(mode)].filter(Boolean).join(' · ')}</p>
      </div>
      <div className="hidden min-w-0 items-center gap-2 desk:flex">
        {session && <span className="max-w-32 min-w-0 truncate text-minor text-muted max-[56rem]:hidden">{session.project}</span>}
        {model.choices.length > 0 ? (
          <Picker text={model.label || m.model()} label={m.model_now({ name: model.label })} value={model.value} choices={model.choices} onChange={setModel} />
        ) : (
          model.label && <span className={chip}>{model.label}</span>
        )}
        {efforts.length > 0 && <Picker text={m.effort_now({ name: effortName(effort) })} label={m.effort_now({ name: effortName(effort) })} value={effort} choices={efforts} onChange={setEffort} className="max-wide:hidden" />}
        <Picker text={modeName(mode)} label={m.mode_now({ name: modeName(mode) })} value={mode} choices={modeChoices(mode)} onChange={setMode} />
        {/* Where it is narrow, the foot tells of the context. */}
        <span className="contents max-[56rem]:hidden">
          <ContextMeter id={id} view={view} />
        </span>
        <IconButton label={work.open ? m.work_close() : m.work_show()} aria-expanded={work.open} aria-keyshortcuts="w" data-work-toggle="" onClick={work.toggle}>
          <Icon name="panel" />
        </IconButton>
      </div>
      <Menu
        trigger={
          <IconButton label={m.session_menu()}>
            <Icon name="more" />
          </IconButton>
        }
      >
        <div className="desk:hidden">
          {workTabs.map((t) => (
            <MenuItem key={t} onSelect={() => work.show(t)}>
              <Icon name={workIcons[t]} size={16} /> {tabName(t)}
            </MenuItem>
          ))}
          <MenuLine />
          <p className="px-3 pt-2 text-small font-strong text-muted">{m.mode()}</p>
          <MenuChoices value={mode} choices={modeChoices(mode)} onChange={setMode} />
          {model.choices.length > 0 && (
            <>
              <MenuLine />
              <p className="px-3 pt-1 text-small font-strong text-muted">{m.model()}</p>
              <MenuChoices value={model.value} choices={model.choices.map(({ value, label }) => ({ value, label }))} onChange={setModel} />
            </>
          )}
          <MenuLine />
        </div>
        {efforts.length > 0 && (
          <div className="wide:hidden">
            <p className="px-3 pt-1 text-small font-strong text-muted">{m.effort()}</p>
            <MenuChoices value={effort} choices={efforts.map(({ value, label }) => ({ value, label }))} onChange={setEffort} />
            <MenuLine />
          </div>
        )}
        <MenuItem onSelect={onFind}>
          <Icon name="search" size={16} /> {m.find_label()}
        </MenuItem>
        <div className="min-[56rem]:hidden">
          <CompactItem id={id} view={view} />
        </div>
        <SessionEntries session={{ id, title: view.title ?? session?.title ?? '' }} />
      </Menu>
    </header>
  )
}
