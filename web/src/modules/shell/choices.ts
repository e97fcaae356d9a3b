/** Something that the palette can go to or do. */
export interface Choice {
  key: string
  group: 'do' | 'sessions' | 'places' | 'projects' | 'files'
  text: string
  /** Where it belongs, in a quieter colour. */
  note?: string
}

const mostOfAGroup = 6

/**
 * The choices that have every word typed, in the order of their groups; within
 * one, those whose name begins with the first word come first. With nothing
 * typed, the first few of each group.
 */
export function found<C extends Choice>(choices: readonly C[], typed: string): C[] {
  const words = typed.toLocaleLowerCase().split(/\s+/).filter(Boolean)
  const kept = choices.filter((c) => {
    const all = `${c.text} ${c.note ?? ''}`.toLocaleLowerCase()
    return words.every((w) => all.includes(w))
  })
  const begins = (c: C) => words.length > 0 && c.text.toLocaleLowerCase().startsWith(words[0]!)
  const groups = new Map<string, C[]>()
  for (const c of kept) groups.set(c.group, [...(groups.get(c.group) ?? []), c])
  return [...groups.values()].flatMap((list) => [...list.filter(begins), ...list.filter((c) => !begins(c))].slice(0, mostOfAGroup))
}
