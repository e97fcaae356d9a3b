import { memo, useEffect, useState } from 'react'
import { m } from '@/i18n/paraglide/messages.js'
import { useDark } from '@/theme/theme'
import { CodeBlock } from './CodeBlock'

const maxChars = 20_000

type Drawn = { code: string; dark: boolean; url: string; width: number; height: number } | { code: string; dark: boolean; problem: string }

let count = 0
// One at a time: mermaid keeps its settings for all drawings.
let line: Promise<unknown> = Promise.resolve()

/**
 * Mermaid reads some labels as HTML on its way, where the handler of a picture
 * would be tried: what looks like a tag is none any more. Line breaks and
 * `<<interface>>` are its own.
 */
function withoutTags(code: string): string {
  return code.replace(/(?<!<)<(?!br\s*\/?>)(?=[a-z/!?])/gi, '‹')
}

async function draw(code: string, dark: boolean): Promise<Drawn> {
  try {
    if (code.length > maxChars) throw new Error('')
    const { default: mermaid } = await import('mermaid')
    mermaid.initialize({ startOnLoad: false, securityLevel: 'strict', htmlLabels: false, flowchart: { htmlLabels: false }, theme: dark ? 'dark' : 'neutral', suppressErrorRendering: true, maxTextSize: maxChars, maxEdges: 300, fontFamily: 'system-ui, sans-serif' })
    const { svg } = await mermaid.render(`mermaid-${++count}`, withoutTags(code))
    const root = new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement
    const box = (root.getAttribute('viewBox') ?? '').split(/[\s,]+/).map(Number)
    const width = Math.ceil(box[2] || 600)
    const height = Math.ceil(box[3] || 400)
    root.setAttribute('width', String(width))
    root.setAttribute('height', String(height))
    const url = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(root)], { type: 'image/svg+xml' }))
    return { code, dark, url, width, height }
  } catch (e) {
    return { code, dark, problem: e instanceof Error ? e.message : String(e) }
  }
}

/**
 * A drawing of a mermaid text. It is shown as a picture: in one, nothing runs
 * and nothing is fetched, whatever mermaid let through. What cannot be drawn is
 * shown as it was written, with the reason.
 */
export const Mermaid = memo(function Mermaid({ code }: { code: string }) {
  const dark = useDark()
  const [drawn, setDrawn] = useState<Drawn | null>(null)
  useEffect(() => {
    let wanted = true
    let url = ''
    const mine = line.then(() => (wanted ? draw(code, dark) : null))
    line = mine
    void mine.then((d) => {
      if (!d) return
      if ('url' in d) url = d.url
      if (wanted) setDrawn(d)
      else if (url) URL.revokeObjectURL(url)
    })
    return () => {
      wanted = false
      if (url) URL.revokeObjectURL(url)
    }
  }, [code, dark])
  if (drawn?.code !== code || drawn.dark !== dark || 'problem' in drawn) {
    const problem = drawn?.code === code && 'problem' in drawn ? drawn.problem : ''
    return (
      <>
        <CodeBlock code={code} language="mermaid" />
        {problem !== '' && <p className="text-small text-muted">{m.mermaid_failed({ why: problem.split('\n')[0]! })}</p>}
      </>
    )
  }
  return (
    <figure className="scroller rounded-card border bg-surface p-3">
      <img src={drawn.url} width={drawn.width} height={drawn.height} alt={m.mermaid_drawing({ text: code.slice(0, 300) })} className="mx-auto h-auto max-w-full" />
      <details className="pt-2 text-small text-muted">
        <summary className="min-h-6 cursor-pointer">{m.mermaid_source()}</summary>
        <CodeBlock code={code} language="mermaid" />
      </details>
    </figure>
  )
})
