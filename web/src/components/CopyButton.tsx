import { useEffect, useState } from 'react'
import { m } from '@/i18n/paraglide/messages.js'
import { IconButton } from './Button'
import { Icon } from './Icon'

export function CopyButton({ text, className = '' }: { text: string; className?: string }) {
  const [done, setDone] = useState(false)
  useEffect(() => {
    if (!done) return
    const t = setTimeout(() => setDone(false), 1500)
    return () => clearTimeout(t)
  }, [done])
  return (
    <IconButton label={done ? m.copied() : m.copy()} className={className} onClick={() => void copyText(text).then(setDone)}>
      <Icon name={done ? 'check' : 'copy'} size={16} />
    </IconButton>
  )
}

/** Copies, also where the page came over plain http and has no clipboard of its own. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const area = document.createElement('textarea')
    area.value = text
    area.setAttribute('readonly', '')
    area.className = 'fixed opacity-0'
    document.body.append(area)
    area.select()
    const ok = document.execCommand('copy')
    area.remove()
    return ok
  }
}
