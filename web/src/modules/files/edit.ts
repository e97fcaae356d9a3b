/** The one piece in which two texts differ. */
export function difference(before: string, after: string): { from: number; to: number; insert: string } {
  const most = Math.min(before.length, after.length)
  let from = 0
  while (from < most && before[from] === after[from]) from++
  let same = 0
  while (same < most - from && before[before.length - 1 - same] === after[after.length - 1 - same]) same++
  return { from, to: before.length - same, insert: after.slice(from, after.length - same) }
}

/** What a text is indented with, by its first indented lines. */
export function indentOf(text: string): string {
  const steps = new Map<string, number>()
  for (const [, space] of text.slice(0, 100_000).matchAll(/^(\t|(?: {2}){1,4})(?=\S)/gm)) steps.set(space!, (steps.get(space!) ?? 0) + 1)
  if (steps.has('\t')) return '\t'
  if (steps.has('  ')) return '  '
  return '    '
}
