import { Markdown } from '@/components/markdown/Markdown'
import { useAddresses } from './addresses'

export default function MarkdownPreview({ path, text }: { path: string; text: string }) {
  return (
    <div className="scroller min-h-0 flex-1" tabIndex={0}>
      <div className="mx-auto max-w-[50rem] px-4 py-6 desk:px-8">
        <Markdown text={text} addresses={useAddresses(path)} />
      </div>
    </div>
  )
}
