import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build, type Plugin, type Rolldown } from 'vite'
import type { Build } from './src/worker/build.ts'

/** Pages that open without a server, though they load on demand. */
const pages = /\/src\/(pages\/(More|Account|Projects|Search|Share|Session)Page|modules\/conversation\/dock\/Dock)\.tsx$/

type Bundle = Rolldown.OutputBundle

/**
 * Builds the service worker beside the page, and tells it which files the page
 * needs to open. These are known only when the page is built: the first script
 * and the small pages with all that they import, and what lies in `public`.
 */
export function serviceWorker(): Plugin {
  let root = ''
  let publicDir = ''
  let alias: Record<string, string> = {}
  return {
    name: 'carrel-worker',
    apply: 'build',
    configResolved(config) {
      root = config.root
      publicDir = config.publicDir
      alias = { '@': join(root, 'src') }
    },
    generateBundle: {
      order: 'post',
      async handler(_, bundle) {
        const about = await describe(bundle, publicDir)
        const made = await build({
          configFile: false,
          root,
          publicDir: false,
          logLevel: 'warn',
          resolve: { alias },
          define: { __BUILD__: JSON.stringify(about) },
          build: { write: false, target: ['chrome123', 'safari17.5', 'firefox128'], rolldownOptions: { input: join(root, 'src/worker/worker.ts'), output: { format: 'iife', entryFileNames: 'worker.js' } } },
        })
        const { output } = made as Rolldown.RolldownOutput
        this.emitFile({ type: 'asset', fileName: 'worker.js', source: output[0].code })
      },
    },
  }
}

async function describe(bundle: Bundle, publicDir: string): Promise<Build> {
  const needed = new Set<string>()
  const take = (name: string) => {
    const chunk = bundle[name]
    if (needed.has(name) || !chunk) return
    needed.add(name)
    if (chunk.type !== 'chunk') return
    for (const css of chunk.viteMetadata?.importedCss ?? []) take(css)
    chunk.imports.forEach(take)
  }
  const chunks = Object.values(bundle).filter((c) => c.type === 'chunk')
  const entry = chunks.find((c) => c.isEntry)
  if (!entry) throw new Error('The page has no first script.')
  for (const c of chunks) if (c === entry || pages.test(c.facadeModuleId ?? '')) take(c.fileName)
  const page = bundle['index.html']
  if (page?.type !== 'asset') throw new Error('There is no page yet: the worker is to be built after it.')
  const hash = createHash('sha256').update(page.source)
  const open = (await readdir(publicDir)).sort()
  for (const name of open) hash.update(await readFile(join(publicDir, name)))
  const files = ['/index.html', ...open.map((n) => `/${n}`), ...[...needed].map((n) => `/${n}`).sort()]
  return { id: hash.update(files.join()).digest('hex').slice(0, 12), entry: entry.fileName, files }
}
