import { memo, useEffect, useState } from 'react'

const maxChars = 4000

/** Typesets a formula; KaTeX and its fonts are fetched with the first one. Null where it cannot be read. */
async function typeset(tex: string, display: boolean): Promise<string | null> {
  if (tex.length > maxChars) return null
  try {
    const { default: katex } = await import('./katex')
    // Not trusted: no links, no classes or styles of the author's; bounded size and expansion.
    return katex.renderToString(tex, { displayMode: display, throwOnError: true, trust: false, strict: 'ignore', maxSize: 20, maxExpand: 200, output: 'htmlAndMathml' })
  } catch {
    return null
  }
}

/** A formula; its source until it is set, and where it cannot be. */
export const Maths = memo(function Maths({ tex, display }: { tex: string; display: boolean }) {
  const [set, setSet] = useState<{ tex: string; html: string } | null>(null)
  useEffect(() => {
    let wanted = true
    void typeset(tex, display).then((html) => wanted && html !== null && setSet({ tex, html }))
    return () => {
      wanted = false
    }
  }, [tex, display])
  if (set?.tex !== tex) return display ? <code className="block py-1">{tex}</code> : <code>{tex}</code>
  // KaTeX makes this of its own elements alone, and escapes what is the author's.
  return <span className={display ? 'scroller block overflow-y-hidden py-1' : undefined} dangerouslySetInnerHTML={{ __html: set.html }} />
})
