import { useSyncExternalStore } from 'react'

/** What is not drawn where it has no room costs nothing there: hiding it by a style would. */
function room(query: string): () => boolean {
  const media = typeof matchMedia === 'function' ? matchMedia(query) : null
  const listen = (l: () => void) => {
    media?.addEventListener('change', l)
    return () => media?.removeEventListener('change', l)
  }
  return () => useSyncExternalStore(listen, () => media?.matches ?? false, () => false)
}

/** Whether there is room for two columns; otherwise it is laid out for a phone. As `desk:` in styles. */
export const useDesk = room('(width >= 47.5rem)')

/** Whether there is room for two columns of code. As `wide:` in styles. */
export const useWide = room('(width >= 75rem)')
