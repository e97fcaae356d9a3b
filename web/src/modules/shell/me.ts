import { useSuspenseQuery } from '@tanstack/react-query'
import { queries } from '@/api/queries'
import type { Me } from '@/api/wire'

/** Who is signed in. Below the shell somebody always is. */
export function useMe(): Me {
  return useSuspenseQuery(queries.me()).data
}
