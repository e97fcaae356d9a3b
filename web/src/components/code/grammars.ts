import type { HighlighterCore, LanguageInput } from 'shiki/core'
import type { Language } from './languages'

/** A piece of a line, and its colour where it has one. */
export type Piece = readonly [text: string, color?: string]

// Each is a file of its own, fetched when first met.
const grammars: Record<Language, () => Promise<{ default: LanguageInput }>> = {
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

let starting: Promise<HighlighterCore> | undefined

async function highlighter(): Promise<HighlighterCore> {
  starting ??= (async () => {
    const [core, engine] = await Promise.all([import('shiki/core'), import('shiki/engine/javascript')])
    const theme = core.createCssVariablesTheme({ name: 'carrel', variablePrefix: '--shiki-', fontStyle: false })
    return core.createHighlighterCore({ themes: [theme], langs: [], engine: engine.createJavaScriptRegexEngine({ forgiving: true }) })
  })()
  return starting
}

/** The lines of a code in coloured pieces. */
export async function colour(code: string, language: Language): Promise<Piece[][]> {
  const h = await highlighter()
  if (!h.getLoadedLanguages().includes(language)) await h.loadLanguage((await grammars[language]()).default)
  return h.codeToTokensBase(code, { lang: language, theme: 'carrel' }).map((line) => line.map((t) => (t.color ? [t.content, t.color] : [t.content])))
}
