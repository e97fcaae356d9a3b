import { useEffect, useRef, useState } from 'react'
import { plain } from '@/components/plain'
import { toast } from '@/components/Toasts'
import { m } from '@/i18n/paraglide/messages.js'

/** A folder comes as a file that nobody can read. */
export function sorted(items: DataTransferItemList): { files: File[]; folders: string[] } {
  const files: File[] = []
  const folders: string[] = []
  for (const i of items) {
    if (i.kind !== 'file') continue
    const file = i.getAsFile()
    const entry = i.webkitGetAsEntry()
    if (entry?.isDirectory) folders.push(entry.name)
    else if (file) files.push(file)
  }
  return { files, folders }
}

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
      const { files, folders } = sorted(e.dataTransfer!.items)
      if (folders.length > 0) toast(m.attach_folder({ name: plain(folders[0]!) }))
      if (files.length > 0) take.current(files)
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
