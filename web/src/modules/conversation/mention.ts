/** An `@` that is being typed: where it stands, and what comes behind it. */
export interface Mention {
  start: number
  end: number
  query: string
}

/** The mention that the caret is in. An address such as a@b is none. */
export function mentionAt(text: string, caret: number): Mention | null {
  const found = /(?:^|[\s(,，。、（：])@("[^"\n]*|[^\s"@]*)$/.exec(text.slice(0, caret))
  if (!found) return null
  const typed = found[1]!
  return { start: caret - typed.length - 1, end: caret, query: typed.replace(/^"/, '') }
}

/** How a prompt names a file so that the CLI attaches it. */
export function naming(path: string): string {
  return /[\s"]/.test(path) ? `@"${path}"` : `@${path}`
}

/** Puts a path in the place of a mention. A folder stays open, for what is in it. */
export function mention(text: string, at: Mention, path: string, folder: boolean): { text: string; caret: number } {
  const name = folder ? (/\s/.test(path) ? `@"${path}/` : `@${path}/`) : `${naming(path)} `
  const rest = text.slice(at.end).replace(folder ? /^/ : /^ /, '')
  return { text: text.slice(0, at.start) + name + rest, caret: at.start + name.length }
}
