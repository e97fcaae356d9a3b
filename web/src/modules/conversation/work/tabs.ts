import { m } from '@/i18n/paraglide/messages.js'

export const workTabs = ['changes', 'files', 'terminal', 'tasks'] as const

export type WorkTab = (typeof workTabs)[number]

export const isWorkTab = (v: unknown): v is WorkTab => workTabs.includes(v as WorkTab)

export function tabName(tab: WorkTab): string {
  switch (tab) {
    case 'changes':
      return m.work_changes()
    case 'files':
      return m.files()
    case 'terminal':
      return m.terminal()
    case 'tasks':
      return m.work_tasks()
  }
}
