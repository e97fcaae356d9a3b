import { useEffect, useState } from 'react'
import { readShared } from './store'

/** Whether something that was shared has not been put anywhere yet. */
export function useWaits(): boolean {
  const [waits, setWaits] = useState(false)
  useEffect(() => void readShared().catch(() => []).then((all) => setWaits(all.length > 0)), [])
  return waits
}
