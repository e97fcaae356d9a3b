import { useEffect, useRef, useState } from 'react'

/** Takes files that are dropped anywhere on the page, and says when some are held over it. */
export function useDrop(onFiles: (files: File[]) => void): boolean {
  const [over, setOver] = useState(false)
  const take = useRef(onFiles)
  take.current = onFiles
  useEffect(() => {
    const brings = (e: DragEvent) => e.dataTransfer?.types.includes('Files') === true
    const drag = (e: DragEvent) => {
      if (!brings(e)) return
      e.preventDefault() // or the browser opens the file in the page's place
      setOver(true)
    }
    const leave = (e: DragEvent) => {
      if (e.relatedTarget === null) setOver(false)
    }
    const drop = (e: DragEvent) => {
      setOver(false)
      if (!brings(e)) return
      e.preventDefault()
      take.current([...(e.dataTransfer?.files ?? [])])
    }
    window.addEventListener('dragover', drag)
    window.addEventListener('dragleave', leave)
    window.addEventListener('drop', drop)
    return () => {
      window.removeEventListener('dragover', drag)
      window.removeEventListener('dragleave', leave)
      window.removeEventListener('drop', drop)
    }
  }, [])
  return over
}
