import type { InstanceStatus, Process, Role } from '@/api/wire'
import type { Light } from '@/components/Lamp'
import { m } from '@/i18n/paraglide/messages.js'

export const roles: readonly Role[] = ['admin', 'moderator', 'user']

export function roleName(role: Role): string {
  switch (role) {
    case 'admin':
      return m.role_admin()
    case 'moderator':
      return m.role_moderator()
    case 'user':
      return m.role_user()
  }
}

export function instanceStatus(status: InstanceStatus): { name: string; light: Light } {
  switch (status) {
    case 'starting':
      return { name: m.instance_starting(), light: 'starting' }
    case 'active':
      return { name: m.instance_active(), light: 'running' }
    case 'idle':
      return { name: m.instance_idle(), light: 'ready' }
    case 'hibernated':
      return { name: m.instance_hibernated(), light: 'dormant' }
    case 'unhealthy':
      return { name: m.instance_unhealthy(), light: 'failed' }
    case 'stopping':
      return { name: m.instance_stopping(), light: 'dormant' }
  }
}

export function processKind(kind: Process['kind']): string {
  switch (kind) {
    case 'claude':
      return 'Claude'
    case 'terminal':
      return m.process_terminal()
    case 'command':
      return m.process_command()
  }
}
