import { useQueryClient } from '@tanstack/react-query'
import { api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { queries } from '@/api/queries'

/** Begins a terminal in a project, or for "" in the home. */
export function useBeginTerminal(onBegun: (id: string) => void, onError?: (error: unknown) => void) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (place: string) => call(api.POST('/terminals', { body: { cols: 80, rows: 24, ...(place && { project: place }) } })),
    onSuccess: (t) => {
      // The list may have been fetched meanwhile, and hold it already.
      client.setQueryData(queries.terminals().queryKey, (list) => [...(list ?? []).filter((o) => o.id !== t.id), t])
      onBegun(t.id)
    },
    onError,
  })
}
