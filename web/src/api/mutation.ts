import { hashKey, useMutation as useLibrary, type DefaultError, type UseMutationOptions, type UseMutationResult } from '@tanstack/react-query'
import { useMemo } from 'react'

/** Does nothing where the same was asked for last and is still under way. */
export function onceAtATime<A extends unknown[]>(start: (...args: A) => Promise<unknown>): (...args: A) => void {
  let last: string | null = null
  return (...args) => {
    const key = hashKey([args[0]])
    if (key === last) return
    last = key
    const done = () => {
      if (last === key) last = null
    }
    // What went wrong is in the result, and shown from there.
    start(...args).then(done, done)
  }
}

/**
 * The library's hook, for which a second click is not a second wish: a button
 * is disabled only once the page is drawn again, which is too late for it.
 */
export function useMutation<D = unknown, E = DefaultError, V = void>(options: UseMutationOptions<D, E, V>): UseMutationResult<D, E, V> {
  const mutation = useLibrary(options)
  const mutate = useMemo(() => onceAtATime(mutation.mutateAsync), [mutation.mutateAsync])
  return { ...mutation, mutate }
}
