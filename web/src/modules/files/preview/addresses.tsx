import { Link } from '@tanstack/react-router'
import { useMemo } from 'react'
import { contentUrl } from '@/api/text'
import type { Addresses } from '@/components/markdown/Markdown'
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
