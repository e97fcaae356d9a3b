// Says how what is seen of a view differs from what is written down of it.
import { diffArrays } from 'diff'

/** So many px a box may be elsewhere, and so many levels a cell of a picture may be brighter or darker. */
const boxSlack = 3
const cellSlack = 1
/** This share of a picture's cells may differ by more. */
const cellShare = 0.0021

export const ramp = ' .:-=+*#%@'

/** Sections with a title each: `colours`, `desk, en`, `desk, light and dark`. */
export function parse(text) {
  return new Map(text.split('\n\n').slice(1).map((s) => {
    const [title, ...lines] = s.replace(/\n$/, '').split('\n')
    return [title, lines.map((l) => l.slice(2))]
  }))
}

export const write = (head, sections) => `${head}\n\n${[...sections].map(([title, lines]) => [title, ...lines.map((l) => `  ${l}`)].join('\n')).join('\n\n')}\n`

export function compare(was, is) {
  const out = []
  for (const title of new Set([...was.keys(), ...is.keys()])) {
    const [a, b] = [was.get(title), is.get(title)]
    if (!a || !b) out.push(`${title}: ${a ? 'is no more' : 'is new'}`)
    else out.push(...(title === 'colours' ? colours : title.endsWith('light and dark') ? picture : list)(a, b).map((s) => `${title}: ${s}`))
  }
  return out
}

function colours(was, is) {
  const named = (lines) => new Map(lines.map((l) => l.split(/ +(.*)/)))
  const [a, b] = [named(was), named(is)]
  return [...new Set([...a.keys(), ...b.keys()])].filter((n) => a.get(n) !== b.get(n)).map((n) => `${n} is ${b.get(n) ?? 'not used'}, was ${a.get(n) ?? 'not used'}`)
}

function list(was, is) {
  const out = []
  let [i, j] = [0, 0]
  const read = (line) => {
    const [, key, box, style] = /^ *(.*?) \[([-\d,x ]+)\] ?(.*)$/.exec(line)
    return { key, box, at: box.split(/[,x ]/).map(Number), style }
  }
  const [a, b] = [was.map(read), is.map(read)]
  for (const part of diffArrays(a.map((l) => l.key), b.map((l) => l.key))) {
    for (let n = 0; n < part.count; n++) {
      if (part.removed) out.push(`${a[i++].key} is gone`)
      else if (part.added) out.push(`${b[j].key} is new, at ${b[j++].box}`)
      else {
        const [x, y] = [a[i++], b[j++]]
        const by = y.at.map((v, k) => v - x.at[k])
        if (by.some((v) => Math.abs(v) > boxSlack)) out.push(`${y.key} has moved by ${by[0]},${by[1]} px and grown by ${by[2]},${by[3]}: it is at ${y.box}, was at ${x.box}`)
        if (x.style !== y.style) out.push(`${y.key} looks "${y.style}", was "${x.style}"`)
      }
    }
  }
  return out
}

/** Light and dark side by side, between bars. */
function picture(was, is) {
  return ['light', 'dark'].flatMap((theme, n) => {
    const [a, b] = [was, is].map((lines) => lines.map((l) => l.split('|')[n + 1]))
    if (a.length !== b.length || a[0].length !== b[0].length) return [`the picture of ${theme} has another size`]
    const cells = b.flatMap((line, y) => [...line].flatMap((sign, x) => (Math.abs(ramp.indexOf(sign) - ramp.indexOf(a[y][x])) > cellSlack ? [[x, y]] : [])))
    if (cells.length <= b.length * b[0].length * cellShare) return []
    const range = (k) => `${Math.min(...cells.map((c) => c[k]))} to ${Math.max(...cells.map((c) => c[k]))}`
    return [`${theme}: ${cells.length} of the picture's ${b.length * b[0].length} cells are brighter or darker, in columns ${range(0)} and rows ${range(1)}`]
  })
}
