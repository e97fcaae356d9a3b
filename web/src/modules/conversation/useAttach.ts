import { useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { join, nameOf } from '@/modules/files/paths'
import { Uploads, type Upload } from '@/modules/files/upload/uploads'
import { useMe } from '@/modules/shell/me'
import { drafts } from './draft'
import { isPicture, readPicture } from './pictures'

/** A name that is not taken: report.csv, then report-2.csv. */
export function numbered(path: string): string {
  const [, stem, n, ext] = /^(.*?)(?:-(\d+))?(\.[^./]*)?$/.exec(path)!
  return `${stem}-${Number(n ?? 1) + 1}${ext ?? ''}`
}

/** What goes with a prompt: pictures in it; other files into the project's folder `uploads`, from where it names them. */
export function useAttach(sessionId: string, project: string): { uploads: readonly Upload[]; add: (files: Iterable<File>) => Promise<void>; retry: (id: number) => void; cancel: (id: number) => void } {
  const me = useMe()
  const [uploads] = useState(() => new Uploads(me.id))
  const all = useSyncExternalStore(uploads.subscribe, uploads.get)
  const chosen = useRef(new Map<string, File>())
  const root = `projects/${project}`
  useEffect(() => {
    uploads.onDone((path) => {
      drafts.change(sessionId, { files: [...drafts.get(sessionId).files, { name: nameOf(path), path: path.slice(root.length + 1) }] })
      uploads.clear()
    })
    return uploads.subscribe(() => {
      // A name that is taken stands for another file.
      const taken = uploads.get().find((u) => u.state === 'exists')
      const file = taken && chosen.current.get(taken.path)
      if (!taken || !file) return
      const path = numbered(taken.path)
      chosen.current.set(path, file)
      uploads.cancel(taken.id)
      uploads.add([{ file, path }])
    })
  }, [uploads, sessionId, root])
  const add = async (files: Iterable<File>) => {
    const list = [...files]
    const others = list.filter((f) => !isPicture(f)).map((file) => ({ file, path: join(`${root}/uploads`, file.name) }))
    for (const o of others) chosen.current.set(o.path, o.file)
    if (others.length > 0) uploads.add(others)
    const pictures = await Promise.all(list.filter(isPicture).map(readPicture))
    if (pictures.length > 0) drafts.change(sessionId, { pictures: [...drafts.get(sessionId).pictures, ...pictures] })
  }
  return { uploads: all, add, retry: (id) => uploads.retry(id), cancel: (id) => uploads.cancel(id) }
}
