import { useQuery } from '@tanstack/react-query'
import type { PDFDocumentProxy } from 'pdfjs-dist'
import * as pdfjs from 'pdfjs-dist/legacy/build/pdf.mjs'
import worker from 'pdfjs-dist/legacy/build/pdf.worker.min.mjs?url'
import { useEffect, useRef, useState } from 'react'
import { readBytes } from '@/api/text'
import { Button } from '@/components/Button'
import { Empty, Loading } from '@/components/Empty'
import { Failure } from '@/components/Notice'
import { m } from '@/i18n/paraglide/messages.js'

pdfjs.GlobalWorkerOptions.workerSrc = worker

// How Chinese, Japanese and Korean fonts that are not in the file name their letters.
const maps = import.meta.glob<string>('/node_modules/pdfjs-dist/cmaps/*.bcmap', { query: '?url', import: 'default', eager: true })

class MapReader {
  async fetch({ name, filename }: { name?: string; filename?: string }): Promise<Uint8Array | { cMapData: Uint8Array; isCompressed: boolean }> {
    const file = filename ?? `${name}.bcmap`
    const url = maps[`/node_modules/pdfjs-dist/cmaps/${file}`]
    if (!url) throw new Error(`no character map ${file}`)
    const data = new Uint8Array(await (await fetch(url)).arrayBuffer())
    return filename ? data : { cMapData: data, isCompressed: true }
  }
}

/** A PDF, drawn here page by page: the browser's own viewer would run it as a page, and neither scripts nor forms in it do anything. */
export default function PdfPreview({ path }: { path: string }) {
  const [doc, setDoc] = useState<PDFDocumentProxy | null>(null)
  const load = useQuery({
    queryKey: ['files', 'pdf', path],
    queryFn: ({ signal }) => readBytes(path, signal),
    staleTime: Infinity,
    gcTime: 0,
  })
  const [broken, setBroken] = useState(false)
  useEffect(() => {
    if (!load.data) return
    const options = { data: new Uint8Array(load.data.slice(0)), isEvalSupported: false, enableXfa: false, useWorkerFetch: false, useWasm: false, CMapReaderFactory: MapReader, BinaryDataFactory: MapReader, cMapUrl: 'maps/' }
    const task = pdfjs.getDocument(options as never)
    setBroken(false)
    task.promise.then(setDoc, () => !task.destroyed && setBroken(true))
    return () => {
      setDoc(null)
      void task.destroy()
    }
  }, [load.data])
  if (broken) return <Empty title={m.pdf_broken_title()}>{m.pdf_broken_text()}</Empty>
  if (load.error) return <div className="p-4"><Failure error={load.error} actions={<Button onClick={() => void load.refetch()}>{m.try_again()}</Button>} /></div>
  if (!doc) return <Loading label={m.loading()} rows={8} />
  return (
    <div className="scroller min-h-0 flex-1 bg-sunken" tabIndex={0} role="region" aria-label={m.pdf_label({ count: doc.numPages })}>
      <ol className="mx-auto flex max-w-[900px] flex-col gap-4 p-4">
        {Array.from({ length: doc.numPages }, (_, i) => (
          <PageView key={i} doc={doc} number={i + 1} />
        ))}
      </ol>
    </div>
  )
}

/** A page is drawn when it comes near the window, and given up when it is far. */
function PageView({ doc, number }: { doc: PDFDocumentProxy; number: number }) {
  const place = useRef<HTMLLIElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const [near, setNear] = useState(false)
  const [ratio, setRatio] = useState(1.414)
  const [text, setText] = useState('')
  useEffect(() => {
    const seen = new IntersectionObserver(([e]) => setNear(e?.isIntersecting ?? false), { rootMargin: '800px' })
    seen.observe(place.current!)
    return () => seen.disconnect()
  }, [])
  useEffect(() => {
    if (!near) return
    let stop = () => {}
    let here = true
    void (async () => {
      const page = await doc.getPage(number)
      if (!here || !canvas.current || !place.current) return
      const size = page.getViewport({ scale: 1 })
      setRatio(size.height / size.width)
      const viewport = page.getViewport({ scale: (place.current.clientWidth / size.width) * Math.min(2, devicePixelRatio) })
      canvas.current.width = viewport.width
      canvas.current.height = viewport.height
      const drawing = page.render({ canvas: canvas.current, viewport, annotationMode: pdfjs.AnnotationMode.ENABLE })
      stop = () => drawing.cancel()
      await drawing.promise
      const content = await page.getTextContent()
      if (here) setText(content.items.map((i) => ('str' in i ? i.str : '')).join(' '))
    })().catch(() => {}) // given up, or a page that cannot be drawn stays white
    return () => {
      here = false
      stop()
    }
  }, [doc, number, near])
  return (
    <li ref={place} className="relative w-full bg-[white] shadow-float" style={{ aspectRatio: String(1 / ratio) }}>
      <span className="sr-only">
        {m.pdf_page({ number })} {text}
      </span>
      {near && <canvas ref={canvas} aria-hidden="true" className="absolute inset-0 size-full" />}
    </li>
  )
}
