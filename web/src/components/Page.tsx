import type { ReactNode } from 'react'
import { usePageTitle } from '@/components/pageTitle'

/** A page that is read from top to bottom: title, what can be done, content. */
export function Page({ title, actions, children, wide = false }: { title: string; actions?: ReactNode; children: ReactNode; wide?: boolean }) {
  usePageTitle(title)
  return (
    <div className="scroller min-h-0 flex-1">
      <div className={`mx-auto px-4 pt-4 pb-10 desk:px-8 desk:pt-7 ${wide ? 'max-w-6xl' : 'max-w-3xl'}`}>
        <header className="mb-5 flex min-h-11 flex-wrap items-center gap-3 desk:min-h-9">
          <h1 className="flex-1 text-display font-strong">{title}</h1>
          {actions}
        </header>
        {children}
      </div>
    </div>
  )
}

export function Section({ title, text, children }: { title: string; text?: string; children: ReactNode }) {
  return (
    <section className="border-t py-6 first-of-type:border-t-0 first-of-type:pt-0">
      <h2 className="text-title font-strong">{title}</h2>
      {text && <p className="mt-0.5 text-minor text-muted">{text}</p>}
      <div className="mt-4">{children}</div>
    </section>
  )
}
