import { useState } from 'react'
import { m } from '@/i18n/paraglide/messages.js'
import { Dialog } from './Dialog'

/** A picture that came with the conversation; a press shows it large. */
export function Picture({ mediaType, data, alt, className = '' }: { mediaType: string; data: string; alt: string; className?: string }) {
  const [open, setOpen] = useState(false)
  const src = `data:${mediaType};base64,${data}`
  return (
    <>
      <button type="button" aria-label={m.picture_enlarge({ name: alt })} onClick={() => setOpen(true)} className="block cursor-zoom-in">
        <img src={src} alt={alt} className={className} />
      </button>
      {open && (
        <Dialog title={alt} onClose={() => setOpen(false)} wide>
          <img src={src} alt={alt} className="mx-auto max-h-[75dvh] max-w-full" />
        </Dialog>
      )}
    </>
  )
}
