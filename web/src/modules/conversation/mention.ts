/** An `@` that is being typed: where it stands, and what comes behind it. */
export interface Mention {
  start: number
  end: number
  query: string
}

// Chinese, Japanese and Korean have no spaces between words, so that a mention begins right behind one; an address such as a@b is none.
const typing = /(?:^|[\s(,;"'[{\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}]|(?!\p{ASCII})[\p{P}\p{S}])@("[^"\n]*|[^\s"@]*)$/u

/** The mention that the caret is in. */
export function mentionAt(text: string, caret: number): Mention | null {
  const found = typing.exec(text.slice(0, caret))
  if (!found) return null
  const typed = found[1]!
  return { start: caret - typed.length - 1, end: caret, query: typed.replace(/^"/, '') }
}

/** How a prompt names a file so that the CLI attaches it: bare, a name would end at its last letter or digit of ASCII. */
export function naming(path: string): string {
  return /[\s"]|\W$/.test(path) ? `@"${path}"` : `@${path}`
}

/** Puts a path in the place of a mention. A folder stays open, for what is in it. */
export function mention(text: string, at: Mention, path: string, folder: boolean): { text: string; caret: number } {
  const before = text.slice(0, at.start)
  // The CLI reads an @ only behind a space or the end of a sentence.
  const gap = /(?:^|[\s。、？！])$/.test(before) ? '' : ' '
  const name = folder ? (/\s/.test(path) ? `@"${path}/` : `@${path}/`) : `${naming(path)} `
  const rest = text.slice(at.end).replace(folder ? /^/ : /^ /, '')
  return { text: before + gap + name + rest, caret: at.start + gap.length + name.length }
}
