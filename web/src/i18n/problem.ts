import { ApiError } from '@/api/client'
import { m } from './paraglide/messages.js'

/** What went wrong, by its code, in the reader's language. */
export function problemTitle(code: string): string {
  switch (code) {
    case 'unauthenticated':
      return m.problem_unauthenticated()
    case 'forbidden':
      return m.problem_forbidden()
    case 'not_found':
      return m.problem_not_found()
    case 'invalid':
      return m.problem_invalid()
    case 'conflict':
      return m.problem_conflict()
    case 'quota_exceeded':
      return m.problem_quota_exceeded()
    case 'budget_exceeded':
      return m.problem_budget_exceeded()
    case 'rate_limited':
      return m.problem_rate_limited()
    case 'too_large':
      return m.problem_too_large()
    case 'slow_consumer':
      return m.problem_slow_consumer()
    case 'precondition_failed':
      return m.problem_precondition_failed()
    case 'instance_unavailable':
      return m.problem_instance_unavailable()
    case 'runtime_unavailable':
      return m.problem_runtime_unavailable()
    case 'upstream_unavailable':
      return m.problem_upstream_unavailable()
    case 'answer_late':
      return m.problem_answer_late()
    case 'unreachable':
      return m.problem_unreachable()
  }
  return m.problem_internal()
}

export function problemOf(error: unknown): { code: string; detail: string } {
  return error instanceof ApiError ? { code: error.code, detail: error.detail } : { code: 'internal', detail: '' }
}

/** What went wrong in one sentence: the server's own words, where there are any. */
export function saying(error: unknown): string {
  const { code, detail } = problemOf(error)
  return detail || problemTitle(code)
}
