import { useEffect, useState } from 'react'
import { m } from '@/i18n/paraglide/messages.js'
import { IconButton } from './Button'
import { copyText } from './clipboard'
import { Icon } from './Icon'

export function CopyButton({ text, label = m.copy(), className = '' }: { text: string; label?: string; className?: string }) {
  const [done, setDone] = useState(false)
  useEffect(() => {
    if (!done) return
    const t = setTimeout(() => setDone(false), 1500)
    return () => clearTimeout(t)
  }, [done])
  return (
    <IconButton label={done ? m.copied() : label} className={className} onClick={() => void copyText(text).then(setDone)}>
      <Icon name={done ? 'check' : 'copy'} size={16} />
    </IconButton>
  )
}
