import type { UseInfiniteQueryResult } from '@tanstack/react-query'
import { Button } from '@/components/Button'
import { Failure } from '@/components/Notice'
import { m } from '@/i18n/paraglide/messages.js'

/** At the end of a list: the way to what came before, while there is more. */
export function Earlier({ list }: { list: Pick<UseInfiniteQueryResult, 'error' | 'hasNextPage' | 'fetchNextPage' | 'isFetchingNextPage' | 'isFetchNextPageError'> }) {
  if (!list.hasNextPage) return null
  return (
    <div className="mt-3 flex flex-col items-start gap-3">
      {list.isFetchNextPageError && <Failure error={list.error} />}
      <Button busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
        {list.isFetchNextPageError ? m.try_again() : m.show_earlier()}
      </Button>
    </div>
  )
}
