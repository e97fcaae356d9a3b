import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Plugin } from 'vite'

interface Manifest {
  description: string
  lang: string
  shortcuts: { name: string; url: string }[]
}
type Messages = Record<string, unknown>

/** What the shortcuts are called in the page, by where they lead. */
const names: Record<string, string> = { '/?add=true': 'session_new', '/files': 'files', '/terminal': 'terminal' }
const description = '你自己的 Claude Code，在浏览器和手机上使用'

/** The manifest in Chinese, in the page's own words. It throws where the English one is not in them. */
export function inChinese(english: Manifest, en: Messages, zh: Messages): Manifest {
  const shortcuts = english.shortcuts.map((s) => {
    const key = names[s.url]
    if (!key || en[key] !== s.name) throw new Error(`The shortcut “${s.name}” of the manifest is not called so in the page.`)
    return { ...s, name: String(zh[key]) }
  })
  return { ...english, description, lang: 'zh-CN', shortcuts }
}

/** Puts the manifest beside the English one; the server picks by what the browser asks for. */
export function manifests(): Plugin {
  let root = ''
  return {
    name: 'carrel-manifests',
    apply: 'build',
    configResolved(config) {
      root = config.root
    },
    async generateBundle() {
      const read = async (name: string) => JSON.parse(await readFile(join(root, name), 'utf8'))
      const made = inChinese(await read('public/manifest.webmanifest'), await read('messages/en.json'), await read('messages/zh-CN.json'))
      this.emitFile({ type: 'asset', fileName: 'manifest.zh-CN.webmanifest', source: JSON.stringify(made, null, 2) + '\n' })
    },
  }
}
