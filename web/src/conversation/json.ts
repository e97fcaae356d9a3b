/** Reading of JSON that came from outside: what is not there, or not of the kind, is absent. */

export type Obj = Record<string, unknown>

export function isObj(v: unknown): v is Obj {
  return typeof v === 'object' && v !== null && !Array.isArray(v)
}

export function obj(v: unknown): Obj {
  return isObj(v) ? v : {}
}

export function str(v: unknown): string | undefined {
  return typeof v === 'string' ? v : undefined
}

export function num(v: unknown): number | undefined {
  return typeof v === 'number' && Number.isFinite(v) ? v : undefined
}

export function list(v: unknown): unknown[] {
  return Array.isArray(v) ? v : []
}

export function strings(v: unknown): string[] {
  return list(v).filter((x): x is string => typeof x === 'string')
}

/**
 * Closes what an unfinished JSON text left open, so that a tool's input can be
 * shown while it is being written. Gives {} where there is nothing to show yet.
 */
export function partialObject(text: string): Obj {
  const open: string[] = []
  let inString = false
  let escaped = false
  for (const c of text) {
    if (inString) {
      if (escaped) escaped = false
      else if (c === '\\') escaped = true
      else if (c === '"') inString = false
    } else if (c === '"') inString = true
    else if (c === '{') open.push('}')
    else if (c === '[') open.push(']')
    else if (c === '}' || c === ']') open.pop()
  }
  const body = escaped ? text.slice(0, -1) : text
  const tail = open.reverse().join('')
  // The text may end within a string, after a key, or after a comma.
  for (const end of inString ? ['"', '":null', ''] : ['', 'null', ':null']) {
    try {
      return obj(JSON.parse((end === '' ? body.replace(/[,\s]+$/, '') : body + end) + tail))
    } catch {
      // Try the next way to end it.
    }
  }
  return {}
}
