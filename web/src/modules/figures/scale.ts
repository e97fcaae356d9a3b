/** Values over time; null where nothing was measured. */
export type Line = readonly (number | null)[]

/** The top of an axis and its ticks: round in tens, and in twos for bytes. */
export function ticks(most: number, inBytes = false): number[] {
  if (!(most > 0)) return [0, 1]
  const rough = most / 3
  const base = 10 ** Math.floor(Math.log10(rough))
  const step = inBytes ? 2 ** Math.ceil(Math.log2(rough)) : ([1, 2, 5].find((s) => s * base >= rough) ?? 10) * base
  const out: number[] = []
  // Counted, not added up: 0.1 three times is not 0.3.
  for (let i = 0; ; i++) {
    out.push(Number((i * step).toPrecision(12)))
    if (i * step >= most) return out
  }
}

/** The way of a line through a box: a gap lifts the pen, a value alone is a dot. */
export function path(line: Line, top: number, width: number, height: number): string {
  const x = (i: number) => ((i / Math.max(1, line.length - 1)) * width).toFixed(1)
  const y = (v: number) => (height - (Math.min(v, top) / top) * height).toFixed(1)
  let d = ''
  line.forEach((v, i) => {
    if (v === null) return
    const joined = i > 0 && line[i - 1] !== null
    d += `${joined ? 'L' : 'M'}${x(i)} ${y(v)}`
    if (!joined && (line[i + 1] ?? null) === null) d += 'h0'
  })
  return d
}

export interface Summary {
  last: number | null
  min: number
  max: number
}

/** What a line says without being seen; null where there is nothing. */
export function summary(line: Line): Summary | null {
  const known = line.filter((v) => v !== null)
  // The newest step may not have been measured yet.
  return known.length === 0 ? null : { last: line.at(-1) ?? line.at(-2) ?? null, min: Math.min(...known), max: Math.max(...known) }
}

/** The measured place that is nearest to one; -1 when there is none. */
export function nearest(line: Line, at: number): number {
  for (let away = 0; away < line.length; away++) {
    if ((line[at - away] ?? null) !== null) return at - away
    if ((line[at + away] ?? null) !== null) return at + away
  }
  return -1
}
