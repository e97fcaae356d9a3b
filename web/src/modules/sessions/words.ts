import { m } from '@/i18n/paraglide/messages.js'
import type { Light } from '@/components/Lamp'
import type { Group } from './order'

export function groupTitle(group: Group): string {
  switch (group) {
    case 'waiting':
      return m.group_waiting()
    case 'running':
      return m.group_running()
    case 'queued':
      return m.group_queued()
    case 'earlier':
      return m.group_earlier()
  }
}

export function lightName(light: Light): string {
  switch (light) {
    case 'waiting':
      return m.state_waiting()
    case 'running':
      return m.state_running()
    case 'queued':
      return m.state_queued()
    case 'starting':
      return m.state_starting()
    case 'ready':
      return m.state_ready()
    case 'dormant':
      return m.state_dormant()
    case 'failed':
      return m.state_failed()
  }
}

export const modes = ['default', 'acceptEdits', 'plan', 'auto', 'dontAsk', 'bypassPermissions'] as const

export function modeName(mode: string): string {
  switch (mode) {
    case 'default':
    case '':
      return m.mode_default()
    case 'acceptEdits':
      return m.mode_accept_edits()
    case 'plan':
      return m.mode_plan()
    case 'auto':
      return m.mode_auto()
    case 'dontAsk':
      return m.mode_dont_ask()
    case 'bypassPermissions':
      return m.mode_bypass()
  }
  return mode
}

export function effortName(level: string): string {
  switch (level) {
    case 'default':
      return m.effort_default()
    case 'low':
      return m.effort_low()
    case 'medium':
      return m.effort_medium()
    case 'high':
      return m.effort_high()
    case 'xhigh':
      return m.effort_xhigh()
    case 'max':
      return m.effort_max()
  }
  return level
}

export function effortNote(level: string): string {
  switch (level) {
    case 'default':
      return m.effort_default_note()
    case 'low':
      return m.effort_low_note()
    case 'max':
      return m.effort_max_note()
  }
  return ''
}

export function modeNote(mode: string): string {
  switch (mode) {
    case 'default':
      return m.mode_default_note()
    case 'acceptEdits':
      return m.mode_accept_edits_note()
    case 'plan':
      return m.mode_plan_note()
  }
  return ''
}
