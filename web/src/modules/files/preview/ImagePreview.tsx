import { useEffect, useState } from 'react'
import type { FileEntry } from '@/api/wire'
import { Empty } from '@/components/Empty'
import { bytes } from '@/i18n/format'
import { plain } from '@/components/plain'
import { m } from '@/i18n/paraglide/messages.js'

/** An image at its size, or smaller to fit. An SVG comes as text, and is only ever an image. */
export function ImagePreview({ src, svg, entry }: { src?: string; svg?: string; entry: FileEntry }) {
  const [url, setUrl] = useState(src)
  const [size, setSize] = useState('')
  const [broken, setBroken] = useState(false)
  useEffect(() => {
    setBroken(false)
    if (svg === undefined) return setUrl(`${src}&v=${encodeURIComponent(entry.modified_at)}`)
    const made = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }))
    setUrl(made)
    return () => URL.revokeObjectURL(made)
  }, [src, svg, entry.modified_at])
  if (broken) return <Empty title={m.image_broken_title()}>{m.image_broken_text()}</Empty>
  return (
    <div className="scroller flex min-h-0 flex-1 flex-col items-center gap-3 p-4">
      <img
        src={url}
        alt={plain(entry.name)}
        className="m-auto max-h-full min-h-0 max-w-full rounded-small border bg-sunken object-contain"
        onLoad={(e) => setSize(`${e.currentTarget.naturalWidth} × ${e.currentTarget.naturalHeight}`)}
        onError={() => setBroken(true)}
      />
      <p className="text-small text-muted tabular">{[size, bytes(entry.size_bytes)].filter(Boolean).join(' · ')}</p>
    </div>
  )
}
