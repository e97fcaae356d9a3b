import createClient from 'openapi-fetch'
import { getLocale } from '@/i18n/locale'
import { fetchOnce } from './early'
import { Reading } from './reading'
import type { paths, Problem } from './wire'

/** What a call failed with: the server's problem document, or why there is none. */
export class ApiError extends Error {
  readonly code: string
  readonly status: number
  readonly detail: string
  readonly fields: Map<string, string>

  constructor(problem: Problem) {
    super(problem.detail || problem.code)
    this.name = 'ApiError'
    this.code = problem.code
    this.status = problem.status
    this.detail = problem.detail
    this.fields = new Map((problem.errors ?? []).map((f) => [f.location.replace(/^body\./, ''), f.message]))
  }
}

/** How the API is read; told when connections may be dead. */
export const reading = new Reading(fetchOnce, '/api/v1/config')

export const api = createClient<paths>({ baseUrl: '/api/v1', credentials: 'same-origin', fetch: reading.fetch })

// What the server says of an error is read here, in the page's language and not the browser's.
api.use({
  onRequest({ request }) {
    request.headers.set('Accept-Language', getLocale())
  },
})

interface Answer<T> {
  data?: T
  error?: unknown
  response: Response
}

/** The data of an answer; a problem is thrown as an ApiError. */
export async function call<T>(answer: Promise<Answer<T>>): Promise<T> {
  return (await answered(answer)).data
}

/** The same with the response, for those who need its headers. */
export async function answered<T>(answer: Promise<Answer<T>>): Promise<{ data: T; response: Response }> {
  let got: Answer<T>
  try {
    got = await answer
  } catch {
    throw new ApiError({ status: 0, code: 'unreachable', detail: '' })
  }
  if (got.error !== undefined || !got.response.ok) throw new ApiError(problemOf(got.error, got.response))
  return { data: got.data as T, response: got.response }
}

function problemOf(error: unknown, response: Response): Problem {
  const p = (typeof error === 'object' && error !== null ? error : {}) as Partial<Problem>
  return {
    status: response.status,
    code: typeof p.code === 'string' ? p.code : codeOf(response.status),
    detail: typeof p.detail === 'string' ? p.detail : '',
    errors: Array.isArray(p.errors) ? p.errors : [],
  }
}

/** A proxy in between answers without a code of ours. */
function codeOf(status: number): string {
  if (status === 401) return 'unauthenticated'
  if (status === 403) return 'forbidden'
  if (status === 404) return 'not_found'
  if (status === 413) return 'too_large'
  if (status === 429) return 'rate_limited'
  return status >= 500 ? 'unreachable' : 'internal'
}
