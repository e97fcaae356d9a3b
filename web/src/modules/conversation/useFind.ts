import { useEffect, useState } from 'react'

/** Whether our search is open. Ctrl-F (⌘ F) opens it where the browser's would not see the whole conversation; pressed in it, it is the browser's. */
export function useFind(longer: boolean): { finding: boolean; setFinding: (v: boolean) => void } {
  const [finding, setFinding] = useState(false)
  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      if (e.key.toLowerCase() !== 'f' || !(e.ctrlKey || e.metaKey) || e.altKey || e.shiftKey || !longer || finding) return
      if (document.querySelector('dialog[open]')) return
      e.preventDefault()
      setFinding(true)
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [longer, finding])
  return { finding, setFinding }
}
