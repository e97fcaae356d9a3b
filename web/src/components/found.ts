/** A text cut at what was looked for: every second piece is a word of it, or what stood between quotes. */
export function pieces(text: string, q: string): string[] {
  const wanted = q.split('"').flatMap((part, i) => (i % 2 === 1 ? [part.trim()] : part.split(/\s+/))).filter(Boolean)
  if (wanted.length === 0) return [text]
  // The longer first: of two that begin alike the whole is marked.
  const either = wanted.toSorted((a, b) => b.length - a.length).map((w) => w.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&').replace(/\s+/g, '\\s+'))
  return text.split(new RegExp(`(${either.join('|')})`, 'giu'))
}
