import { Link } from '@tanstack/react-router'
import { useMemo } from 'react'
import { contentUrl } from '@/api/text'
import { Markdown, type Addresses } from '@/components/markdown/Markdown'
import { kindOf, resolve } from '../paths'

/** Relative addresses lead to files of the workspace. */
export function useAddresses(path: string): Addresses {
  return useMemo(
    () => ({
      image: (href) => {
        const to = resolve(path, href)
        return to !== null && kindOf(to) === 'image' ? contentUrl(to, true) : null
      },
      link: (href, children) => {
        const to = resolve(path, href)
        return to === null ? null : (
          <Link to="/files/$" params={{ _splat: to }} search={(s) => (s.tabs ? { tabs: s.tabs } : {})}>
            {children}
          </Link>
        )
      },
    }),
    [path],
  )
}

export function MarkdownPreview({ path, text }: { path: string; text: string }) {
  return (
    <div className="scroller min-h-0 flex-1" tabIndex={0}>
      <div className="mx-auto max-w-[50rem] px-4 py-6 desk:px-8">
        <Markdown text={text} addresses={useAddresses(path)} />
      </div>
    </div>
  )
}
