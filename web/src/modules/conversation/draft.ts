import { useCallback, useState } from 'react'

/** What is being written in a session; it survives a reload and a look elsewhere. */
export function useDraft(sessionId: string): [string, (text: string) => void] {
  const key = `carrel.draft.${sessionId}`
  const [text, setText] = useState(() => {
    try {
      return localStorage.getItem(key) ?? ''
    } catch {
      return ''
    }
  })
  const write = useCallback(
    (next: string) => {
      setText(next)
      try {
        if (next === '') localStorage.removeItem(key)
        else localStorage.setItem(key, next)
      } catch {
        // It holds while the page is open, then.
      }
    },
    [key],
  )
  return [text, write]
}
