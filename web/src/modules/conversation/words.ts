import type { ErrorRow } from '@/conversation/model'
import type { Activity } from '@/conversation/rows'
import { m } from '@/i18n/paraglide/messages.js'

/** What the model's side said no with, in words: what happened and what to do. */
export function errorTitle(row: ErrorRow): string {
  if (row.source === 'api') {
    switch (row.status) {
      case 401:
      case 403:
        return m.api_error_auth()
      case 402:
        return m.api_error_billing()
      case 400:
        return m.api_error_request()
      case 413:
        return m.api_error_too_large()
      case 429:
        return m.api_error_rate()
      case 529:
        return m.api_error_overloaded()
      case null:
        return m.api_error_connection()
    }
    return m.api_error_server({ status: String(row.status) })
  }
  switch (row.code) {
    case 'max_turns':
      return m.turn_error_max_turns()
    case 'budget_exhausted':
      return m.turn_error_budget()
    case 'blocking_limit':
      return m.turn_error_too_long()
  }
  return m.turn_error()
}

/** Why the CLI asks the model again. */
export function retryReason(status: number | null): string {
  if (status === 429) return m.retry_rate()
  if (status === 529) return m.retry_overloaded()
  if (status === 401 || status === 403) return m.retry_auth()
  if (status === null) return m.retry_connection()
  return m.retry_server({ status: String(status) })
}

export function activityText(activity: Activity): string {
  switch (activity) {
    case 'none':
    case 'asking':
    case 'retrying':
      return ''
    case 'requesting':
      return m.activity_requesting()
    case 'thinking':
      return m.activity_thinking()
    case 'writing':
      return m.activity_writing()
    case 'tool':
      return m.activity_tool()
    case 'compacting':
      return m.activity_compacting()
  }
}
