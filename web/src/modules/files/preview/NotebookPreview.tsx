import { useMemo } from 'react'
import { CodeBlock } from '@/components/code/CodeBlock'
import { Empty } from '@/components/Empty'
import { Markdown } from '@/components/markdown/Markdown'
import { m } from '@/i18n/paraglide/messages.js'
import { useAddresses } from './addresses'
import { cells, type Output } from './notebook'

export default function NotebookPreview({ path, text }: { path: string; text: string }) {
  const book = useMemo(() => cells(text), [text])
  const addresses = useAddresses(path)
  if (!book) return <Empty title={m.notebook_broken_title()}>{m.notebook_broken_text()}</Empty>
  return (
    <div className="scroller min-h-0 flex-1" tabIndex={0}>
      <ol className="mx-auto flex max-w-[50rem] flex-col gap-5 px-4 py-6 desk:px-8">
        {book.cells.map((c, i) => (
          <li key={i} className="row-far">
            {c.kind === 'markdown' ? <Markdown text={c.source} addresses={addresses} /> : <CodeBlock code={c.source} language={c.kind === 'code' ? book.language : ''} />}
            {c.outputs.length > 0 && (
              <div className="mt-2 flex flex-col gap-2 border-s-2 ps-3" role="group" aria-label={m.notebook_output({ number: c.count ?? i + 1 })}>
                {c.outputs.map((o, n) => (
                  <OutputView key={n} output={o} />
                ))}
              </div>
            )}
          </li>
        ))}
      </ol>
    </div>
  )
}

function OutputView({ output }: { output: Output }) {
  if (output.kind === 'image') return <img src={output.url} alt={m.notebook_image()} className="max-w-full self-start rounded-small bg-surface" />
  if (output.kind === 'none') return <p className="text-minor text-muted">{m.notebook_left_out()}</p>
  return (
    <pre className={`scroller max-h-96 font-mono text-code whitespace-pre-wrap ${output.error ? 'text-danger' : ''}`} tabIndex={0}>
      {output.text}
    </pre>
  )
}
