// Only what people write often.
const names = [
  'bash', 'c', 'cpp', 'csharp', 'css', 'diff', 'docker', 'go', 'html', 'ini', 'java', 'javascript',
  'json', 'jsx', 'kotlin', 'latex', 'lua', 'make', 'markdown', 'nix', 'php', 'powershell', 'python', 'r',
  'ruby', 'rust', 'scala', 'sql', 'swift', 'toml', 'tsx', 'typescript', 'xml', 'yaml',
] as const

export type Language = (typeof names)[number]

const aliases: Record<string, Language> = {
  cc: 'cpp', 'c++': 'cpp', h: 'c', hpp: 'cpp', cs: 'csharp', dockerfile: 'docker', golang: 'go', htm: 'html', svg: 'xml', js: 'javascript', mjs: 'javascript', cjs: 'javascript',
  jsonc: 'json', json5: 'json', kt: 'kotlin', tex: 'latex', makefile: 'make', mk: 'make', md: 'markdown', patch: 'diff', ps1: 'powershell', py: 'python', rb: 'ruby', rs: 'rust',
  sh: 'bash', shell: 'bash', zsh: 'bash', console: 'bash', ts: 'typescript', mts: 'typescript', yml: 'yaml', conf: 'ini', env: 'ini',
}

export function languageOf(name: string): Language | null {
  const lower = name.toLowerCase()
  return (Object.hasOwn(aliases, lower) ? aliases[lower] : names.find((n) => n === lower)) ?? null
}

/** The language of a file, by its name. */
export function languageOfPath(path: string): Language | null {
  const file = path.slice(path.lastIndexOf('/') + 1)
  const dot = file.lastIndexOf('.')
  return languageOf(dot > 0 ? file.slice(dot + 1) : file)
}
