import type { HighlighterCore, LanguageInput, ThemedToken } from 'shiki/core'

// Only what people write often; each is a file of its own, fetched when first met.
const languages: Record<string, () => Promise<{ default: LanguageInput }>> = {
  bash: () => import('@shikijs/langs/bash') as never,
  c: () => import('@shikijs/langs/c') as never,
  cpp: () => import('@shikijs/langs/cpp') as never,
  csharp: () => import('@shikijs/langs/csharp') as never,
  css: () => import('@shikijs/langs/css') as never,
  diff: () => import('@shikijs/langs/diff') as never,
  docker: () => import('@shikijs/langs/docker') as never,
  go: () => import('@shikijs/langs/go') as never,
  html: () => import('@shikijs/langs/html') as never,
  ini: () => import('@shikijs/langs/ini') as never,
  java: () => import('@shikijs/langs/java') as never,
  javascript: () => import('@shikijs/langs/javascript') as never,
  json: () => import('@shikijs/langs/json') as never,
  jsx: () => import('@shikijs/langs/jsx') as never,
  kotlin: () => import('@shikijs/langs/kotlin') as never,
  latex: () => import('@shikijs/langs/latex') as never,
  lua: () => import('@shikijs/langs/lua') as never,
  make: () => import('@shikijs/langs/make') as never,
  markdown: () => import('@shikijs/langs/markdown') as never,
  nix: () => import('@shikijs/langs/nix') as never,
  php: () => import('@shikijs/langs/php') as never,
  powershell: () => import('@shikijs/langs/powershell') as never,
  python: () => import('@shikijs/langs/python') as never,
  r: () => import('@shikijs/langs/r') as never,
  ruby: () => import('@shikijs/langs/ruby') as never,
  rust: () => import('@shikijs/langs/rust') as never,
  scala: () => import('@shikijs/langs/scala') as never,
  sql: () => import('@shikijs/langs/sql') as never,
  swift: () => import('@shikijs/langs/swift') as never,
  toml: () => import('@shikijs/langs/toml') as never,
  tsx: () => import('@shikijs/langs/tsx') as never,
  typescript: () => import('@shikijs/langs/typescript') as never,
  xml: () => import('@shikijs/langs/xml') as never,
  yaml: () => import('@shikijs/langs/yaml') as never,
}

const aliases: Record<string, string> = {
  cc: 'cpp', 'c++': 'cpp', h: 'c', hpp: 'cpp', cs: 'csharp', dockerfile: 'docker', golang: 'go', htm: 'html', svg: 'xml', js: 'javascript', mjs: 'javascript', cjs: 'javascript',
  jsonc: 'json', json5: 'json', kt: 'kotlin', tex: 'latex', makefile: 'make', mk: 'make', md: 'markdown', patch: 'diff', ps1: 'powershell', py: 'python', rb: 'ruby', rs: 'rust',
  sh: 'bash', shell: 'bash', zsh: 'bash', console: 'bash', ts: 'typescript', mts: 'typescript', yml: 'yaml', conf: 'ini', env: 'ini',
}

/** What is longer is shown plain: a reader would wait, and the page with them. */
const maxChars = 60_000

export function languageOf(name: string): string | null {
  const lower = name.toLowerCase()
  const known = aliases[lower] ?? lower
  return Object.hasOwn(languages, known) ? known : null
}

/** The language of a file, by its name. */
export function languageOfPath(path: string): string | null {
  const file = path.slice(path.lastIndexOf('/') + 1)
  const dot = file.lastIndexOf('.')
  return languageOf(dot > 0 ? file.slice(dot + 1) : file)
}

let starting: Promise<HighlighterCore> | undefined

async function highlighter(): Promise<HighlighterCore> {
  starting ??= (async () => {
    const [core, engine] = await Promise.all([import('shiki/core'), import('shiki/engine/javascript')])
    const theme = core.createCssVariablesTheme({ name: 'carrel', variablePrefix: '--shiki-', fontStyle: false })
    return core.createHighlighterCore({ themes: [theme], langs: [], engine: engine.createJavaScriptRegexEngine({ forgiving: true }) })
  })()
  return starting
}

/** The coloured tokens of a code, line by line; null where it stays plain. */
export async function highlight(code: string, language: string): Promise<ThemedToken[][] | null> {
  const name = languageOf(language)
  if (name === null || code.length > maxChars) return null
  try {
    const h = await highlighter()
    if (!h.getLoadedLanguages().includes(name)) await h.loadLanguage((await languages[name]!()).default)
    return h.codeToTokensBase(code, { lang: name, theme: 'carrel' })
  } catch {
    return null // a grammar or a chunk that does not load costs the colours, not the text
  }
}
