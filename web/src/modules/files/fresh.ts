import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import { queries } from '@/api/queries'

const lookEvery = 2_000

const useRunning = () => useQuery({ ...queries.sessions(), select: (all) => all.some((s) => s.state === 'running') }).data === true

/** While a turn runs anywhere, what is shown is looked at again and again; otherwise when somebody comes back to the page. */
export function useWatching(): { refetchInterval: number | false } {
  return { refetchInterval: useRunning() ? lookEvery : false }
}

/** Looks once more at what the end of a turn left, and when somebody comes back to this window. */
export function useAfterTurns(): void {
  const client = useQueryClient()
  const running = useRunning()
  const before = useRef(running)
  useEffect(() => {
    if (before.current && !running) void client.invalidateQueries({ queryKey: queries.files() })
    before.current = running
  }, [running, client])
  useEffect(() => {
    const look = () => void client.invalidateQueries({ queryKey: queries.files() })
    window.addEventListener('focus', look) // another window beside it hides nothing
    return () => window.removeEventListener('focus', look)
  }, [client])
}
