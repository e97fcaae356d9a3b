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
}
