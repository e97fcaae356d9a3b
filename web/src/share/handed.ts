// Files that were shared and are on their way into a session's draft: the
// composer takes them as if they were pasted there.
const handed = new Map<string, readonly File[]>()

export function handOver(sessionId: string, files: readonly File[]): void {
  if (files.length > 0) handed.set(sessionId, files)
}

export function takeHanded(sessionId: string): readonly File[] {
  const files = handed.get(sessionId) ?? []
  handed.delete(sessionId)
  return files
}
