import { useQueryClient } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import type { User } from '@/api/wire'
import { Lamp } from '@/components/Lamp'
import { usePageTitle } from '@/components/pageTitle'
import { isLocale, languages, setLocale, useLocale, type Locale } from '@/i18n/locale'
import { m } from '@/i18n/paraglide/messages.js'
import { ScriptedBanner } from '@/modules/shell/Scripted'

/** The frame of the pages before sign-in. */
export function Entrance({ title, text, children }: { title: string; text?: string; children: ReactNode }) {
  usePageTitle(title)
  const locale = useLocale()
  return (
    <div className="flex min-h-dvh flex-col bg-page safe-top safe-bottom">
      <ScriptedBanner compact={false} />
      <main className="m-auto w-full max-w-sm px-5 py-8">
        <div className="mb-6 flex items-center gap-2.5 text-accent">
          <Lamp light="running" size={28} />
          <span className="text-display font-strong text-content">Carrel</span>
        </div>
        <h1 className="text-title font-strong">{title}</h1>
        {text && <p className="mt-1 text-muted">{text}</p>}
        <div className="mt-5">{children}</div>
      </main>
      <footer className="flex justify-center gap-1 p-4 text-minor">
        {(Object.keys(languages) as Locale[]).map((l) => (
          <button key={l} type="button" lang={l} aria-pressed={l === locale} onClick={() => setLocale(l)} className="min-h-11 rounded-control px-3 text-muted hover:bg-hover aria-pressed:font-strong aria-pressed:text-content desk:min-h-8">
            {languages[l]}
          </button>
        ))}
      </footer>
    </div>
  )
}

/** What happens when somebody is let in. */
export function useEntered(): (user: User) => void {
  const client = useQueryClient()
  return (user) => {
    client.clear() // what was known of somebody else, and that nobody had signed in
    if (isLocale(user.language)) setLocale(user.language)
  }
}

export function passwordHint(): string {
  return m.password_hint()
}
