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

/** What a check of the server's is about; one that is not known keeps its name. */
export function checkName(name: string): string {
  switch (name) {
    case 'store':
      return m.check_store()
    case 'runtime':
      return m.check_runtime()
    case 'claude':
      return 'Claude'
    case 'gateway':
      return m.check_gateway()
    case 'disk':
      return m.check_disk()
    case 'memory':
      return m.quota_memory()
    case 'places':
      return m.check_places()
    default:
      return name
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
