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
 * one, the nearest names come first; the very name comes before all. With nothing typed, the first few of each
 * group.
 */
export function found<C extends Choice>(choices: readonly C[], typed: string): C[] {
  const phrase = words(typed).join(' ')
  const groups = new Map<string, { choice: C; far: number }[]>()
  for (const choice of choices) {
    const far = distance(choice, phrase)
    if (far !== null) groups.set(choice.group, [...(groups.get(choice.group) ?? []), { choice, far }])
  }
  const cut = [...groups.values()].flatMap((list) => list.sort((a, b) => a.far - b.far).slice(0, mostOfAGroup))
  // Who typed a whole name means that, whatever else has it in it.
  return [...cut.filter((f) => f.far === 0), ...cut.filter((f) => f.far > 0)].map((f) => f.choice)
}

/** How far a choice is from what was typed: it is its name, begins it, stands in it, or only its words are there. Null: not even those. */
function distance(c: Choice, phrase: string): number | null {
  const name = words(c.text).join(' ')
  if (name === phrase) return 0
  if (name.startsWith(phrase)) return 1
  if (name.includes(phrase)) return 2
  const all = `${name} ${c.note ?? ''}`.toLocaleLowerCase()
  const each = words(phrase)
  if (!each.every((w) => all.includes(w))) return null
  return name.startsWith(each[0]!) ? 3 : 4
}

const words = (text: string) => text.toLocaleLowerCase().split(/\s+/).filter(Boolean)
