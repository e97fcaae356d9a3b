import { useQuery } from '@tanstack/react-query'
import { useEffect } from 'react'
import { queries } from '@/api/queries'
import { markTab } from '@/components/pageTitle'

/** Keeps the browser's tab in step with the sessions. */
export function useTabMark(): void {
  const { data } = useQuery(queries.sessions())
  const waiting = data?.filter((s) => s.state === 'waiting').length ?? 0
  const running = data?.filter((s) => s.state === 'running').length ?? 0
  useEffect(() => markTab(waiting, running), [waiting, running])
  useEffect(() => badge(waiting), [waiting])
  useEffect(() => () => badge(0), []) // nobody is signed in any more
}

/** The number on the icon of the installed app, where the system shows one. */
function badge(count: number): void {
  const app = navigator as { setAppBadge?: (n: number) => Promise<void>; clearAppBadge?: () => Promise<void> }
  const done = count > 0 ? app.setAppBadge?.(count) : app.clearAppBadge?.()
  void done?.catch(() => {})
}
