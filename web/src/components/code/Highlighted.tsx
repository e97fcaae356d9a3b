import { useEffect, useState } from 'react'
import { plain } from '@/components/plain'
import type { Piece } from './grammars'
import { highlight } from './highlight'

/** Code in colours as soon as they are known; plain while it is still being written. */
export function Highlighted({ code: written, language, live = false }: { code: string; language: string; live?: boolean }) {
  const code = plain(written)
  const [done, setDone] = useState<{ code: string; lines: Piece[][] | null } | null>(null)
  useEffect(() => {
    if (live) return
    let wanted = true
    void highlight(code, language).then((lines) => {
      if (wanted) setDone({ code, lines })
    })
    return () => {
      wanted = false
    }
  }, [code, language, live])
  const known = done?.code === code
  const lines = known && done.lines
  if (!lines) return <code data-uncoloured={known || live ? undefined : ''}>{code}</code>
  return (
    <code>
      {lines.map((line, i) => (
        <span key={i}>
          {line.map(([text, color], n) => (
            <span key={n} style={color ? { color } : undefined}>
              {text}
            </span>
          ))}
          {i < lines.length - 1 && '\n'}
        </span>
      ))}
    </code>
  )
}
