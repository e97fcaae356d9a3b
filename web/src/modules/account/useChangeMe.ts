import { useQueryClient } from '@tanstack/react-query'
import { api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { queries } from '@/api/queries'
import type { MeChange } from '@/api/wire'
import { setLocale, type Locale } from '@/i18n/locale'

export function useChangeMe() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (change: MeChange) => call(api.PATCH('/me', { body: change })),
    onSuccess: (me) => client.setQueryData(queries.me().queryKey, me),
  })
}

/** Has the page, and what the server says to this person, in a language. */
export function useChooseLanguage(): (language: Locale) => void {
  const change = useChangeMe()
  return (language) => {
    change.mutate({ language })
    setLocale(language)
  }
}
