import { useEffect, useState } from 'react'
import type { ThemedToken } from 'shiki/core'
import { plain } from '@/components/plain'
import { highlight } from './highlight'

/** Code in colours as soon as they are known; plain while it is still being written. */
export function Highlighted({ code: written, language, live = false }: { code: string; language: string; live?: boolean }) {
  const code = plain(written)
  const [done, setDone] = useState<{ code: string; lines: ThemedToken[][] } | null>(null)
  useEffect(() => {
    if (live) return
    let wanted = true
    void highlight(code, language).then((lines) => {
      if (wanted && lines) setDone({ code, lines })
    })
    return () => {
      wanted = false
    }
  }, [code, language, live])
  if (done?.code !== code) return <code>{code}</code>
  return (
    <code>
      {done.lines.map((line, i) => (
        <span key={i}>
          {line.map((t, n) => (
            <span key={n} style={t.color ? { color: t.color } : undefined}>
              {t.content}
            </span>
          ))}
          {i < done.lines.length - 1 && '\n'}
        </span>
      ))}
    </code>
  )
}
