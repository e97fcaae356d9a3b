import { useRef, useState, useSyncExternalStore } from 'react'
import { toast } from '@/components/Toasts'
import { m } from '@/i18n/paraglide/messages.js'
import { join, nameOf } from '@/modules/files/paths'
import type { Upload, Uploads } from '@/modules/files/upload/uploads'
import { handOver, takeHanded } from '@/share/handed'
import { drafts } from './draft'
import { pictureType, readPicture } from './pictures'

/** A name that is not taken: report.csv, then report-2.csv. A longer number is the file's own, as a date is. */
export function numbered(path: string): string {
  const [, stem, n, ext] = /^(.*?[^/])(?:-([2-9]|[1-8]\d|9[0-8]))?(\.[^./]*)?$/.exec(path)!
  return `${stem}-${Number(n ?? 1) + 1}${ext ?? ''}`
}

const nobody: readonly Upload[] = []
const nothing = () => nobody
const never = () => () => {}

/** What goes with a prompt: pictures in it; other files into the project's folder `uploads`, from where it names them. */
export function useAttach(sessionId: string, project: string | undefined): { uploads: readonly Upload[]; add: (files: Iterable<File>) => Promise<void>; retry: (id: string) => void; cancel: (id: string) => void } {
  const [uploads, setUploads] = useState<Uploads | null>(null) // on demand, as what speaks to the server is
  const all = useSyncExternalStore(uploads?.subscribe ?? never, uploads?.get ?? nothing)
  const made = useRef<Uploads | null>(null)
  const chosen = useRef(new Map<string, File>())
  // The server knows only of what has come whole.
  const free = (path: string): string => (chosen.current.has(path) ? free(numbered(path)) : path)
  const prepare = (made: Uploads): Uploads => {
    made.onDone((path) => {
      chosen.current.delete(path)
      drafts.change(sessionId, { files: [...drafts.get(sessionId).files, { name: nameOf(path), path: path.slice(path.indexOf('/uploads/') + 1) }] })
      made.clear()
    })
    made.subscribe(() => {
      // A name that is taken stands for another file.
      const taken = made.get().find((u) => u.state === 'exists')
      const file = taken && chosen.current.get(taken.path)
      if (!taken || !file) return
      const path = free(numbered(taken.path))
      chosen.current.delete(taken.path)
      chosen.current.set(path, file)
      made.cancel(taken.id)
      void made.add([{ file, path }])
    })
    return made
  }
  const add = async (files: Iterable<File>) => {
    const list = [...files]
    if (project === undefined) return handOver(sessionId, [...takeHanded(sessionId), ...list]) // until it is known where they go
    const types = await Promise.all(list.map(pictureType))
    const rest = list.filter((_, i) => types[i] === undefined)
    if (rest.length > 0 && project === '') toast(m.attach_outside())
    else if (rest.length > 0) {
      const others = rest.map((file) => {
        const path = free(join(`projects/${project}/uploads`, file.name))
        chosen.current.set(path, file)
        return { file, path }
      })
      const { passingUploads } = await import('@/modules/files/upload/uploads')
      const to = made.current ?? (made.current = prepare(passingUploads()))
      setUploads(to)
      void to.add(others)
    }
    const pictures = await Promise.all(list.flatMap((f, i) => (types[i] === undefined ? [] : [readPicture(f, types[i])])))
    if (pictures.length > 0) drafts.change(sessionId, { pictures: [...drafts.get(sessionId).pictures, ...pictures] })
  }
  return { uploads: all, add, retry: (id) => uploads?.retry(id), cancel: (id) => uploads?.cancel(id) }
}
