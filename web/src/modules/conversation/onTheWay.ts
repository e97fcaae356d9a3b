import type { PromptRow } from '@/conversation/model'
import { picturesLost } from '@/stream/outbox'

/** What can be done with a prompt that the server has not taken. */
export interface Choices {
  edit: boolean
  drop: boolean
  again: boolean
}

export function choicesOf(row: Pick<PromptRow, 'status' | 'problem' | 'free'>, connected: boolean): Choices {
  const free = row.free === true
  switch (row.status) {
    case 'failed':
      // The same again is too large again, and without its pictures it is not the same.
      return { edit: free, drop: true, again: row.problem?.code !== 'too_large' && row.problem?.code !== picturesLost }
    case 'sending':
      return { edit: free && !connected, drop: free && !connected, again: false }
  }
  return { edit: false, drop: false, again: false }
}
