import { withoutEscapes } from '@/components/plain'
import { isObj, list, obj, str } from '@/conversation/json'

export type Output = { kind: 'text'; text: string; error: boolean } | { kind: 'image'; url: string } | { kind: 'none' }

export interface Cell {
  kind: 'markdown' | 'code' | 'raw'
  source: string
  count: number | null
  outputs: Output[]
}

/** The cells of a Jupyter notebook; null: it is none. Of outputs only text and images are taken: the rest would be a page. */
export function cells(text: string): { language: string; cells: Cell[] } | null {
  let doc: unknown
  try {
    doc = JSON.parse(text)
  } catch {
    return null
  }
  if (!isObj(doc) || !Array.isArray(doc.cells)) return null
  const meta = obj(doc.metadata)
  return {
    language: str(obj(meta.language_info).name) ?? str(obj(meta.kernelspec).language) ?? 'python',
    cells: doc.cells.filter(isObj).map((c) => ({
      kind: c.cell_type === 'markdown' ? 'markdown' : c.cell_type === 'code' ? 'code' : 'raw',
      source: joined(c.source),
      count: typeof c.execution_count === 'number' ? c.execution_count : null,
      outputs: list(c.outputs).filter(isObj).map(output),
    })),
  }
}

function output(o: Record<string, unknown>): Output {
  if (o.output_type === 'stream') return { kind: 'text', text: withoutEscapes(joined(o.text)), error: o.name === 'stderr' }
  if (o.output_type === 'error') return { kind: 'text', text: withoutEscapes(list(o.traceback).map((l) => str(l) ?? '').join('\n') || `${str(o.ename) ?? ''}: ${str(o.evalue) ?? ''}`), error: true }
  const data = obj(o.data)
  for (const type of ['image/png', 'image/jpeg', 'image/gif', 'image/webp']) {
    const base64 = joined(data[type]).replace(/\s/g, '')
    if (base64 && /^[A-Za-z0-9+/]+=*$/.test(base64)) return { kind: 'image', url: `data:${type};base64,${base64}` }
  }
  return data['text/plain'] === undefined ? { kind: 'none' } : { kind: 'text', text: withoutEscapes(joined(data['text/plain'])), error: false }
}

const joined = (v: unknown): string => (Array.isArray(v) ? v.map((l) => str(l) ?? '').join('') : (str(v) ?? ''))

