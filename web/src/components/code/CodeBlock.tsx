import { memo } from 'react'
import { CopyButton } from '@/components/CopyButton'
import { Highlighted } from './Highlighted'

/** A piece of code with its language's name and a way to copy it. */
export const CodeBlock = memo(function CodeBlock({ code, language, live = false }: { code: string; language: string; live?: boolean }) {
  return (
    <div className="overflow-hidden rounded-card border border-line bg-sunken">
      <div className="flex items-center justify-between pl-3 text-small text-muted">
        <span className="font-mono">{language}</span>
        <CopyButton text={code} />
      </div>
      <pre className="scroller px-3 pb-3 font-mono text-code" tabIndex={0}>
        <Highlighted code={code} language={language} live={live} />
      </pre>
    </div>
  )
})
