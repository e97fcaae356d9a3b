import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import { queries } from '@/api/queries'

const lookEvery = 2_000

const useRunning = () => useQuery({ ...queries.sessions(), select: (all) => all.some((s) => s.state === 'running') }).data === true

/** While a turn runs anywhere, what is shown is looked at again and again; otherwise when somebody comes back to the page. */
export function useWatching(): { refetchInterval: number | false } {
  return { refetchInterval: useRunning() ? lookEvery : false }
}

/** What the end of a turn left is looked at once more. */
export function useAfterTurns(): void {
  const client = useQueryClient()
  const running = useRunning()
  const before = useRef(running)
  useEffect(() => {
    if (before.current && !running) void client.invalidateQueries({ queryKey: queries.files() })
    before.current = running
  }, [running, client])
}
