import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, gzip } from 'node:zlib'
import { paraglideVitePlugin } from '@inlang/paraglide-js'
import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'
import { manifests } from './manifest-build.ts'
import { serviceWorker } from './worker-build.ts'

// Where `npm run dev` finds the API: the real server, or `npm run mock`.
const backend = process.env.CARREL_BACKEND ?? 'http://127.0.0.1:8420'

/** Puts a compressed twin beside each file that gains by it; the server picks. */
function compressed(): Plugin {
  return {
    name: 'carrel-compressed',
    apply: 'build',
    async writeBundle({ dir }) {
      for (const name of await readdir(dir!, { recursive: true })) {
        if (!/\.(m?js|css|svg|html|webmanifest)$/.test(name)) continue
        const file = join(dir!, name)
        const content = await readFile(file)
        if (content.length < 1024) continue
        await writeFile(`${file}.br`, await promisify(brotliCompress)(content))
        await writeFile(`${file}.gz`, await promisify(gzip)(content, { level: 9 }))
      }
    },
  }
}

/**
 * Tells Chromium that nearly all of what a page or a conversation opens with is called at once: it compiles it whole
 * while it comes, and not piece by piece while the page waits. To other browsers it is a comment.
 */
function compiledWhole(): Plugin {
  return {
    name: 'carrel-compiled-whole',
    apply: 'build',
    enforce: 'post',
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        for (const file of Object.values(bundle)) if (file.type === 'chunk' && (file.isEntry || file.name === 'react' || file.name === 'conversation')) file.code = `//# allFunctionsCalledOnLoad\n${file.code}`
      },
    },
  }
}

/** Which file of src/pages is shown where. What is below such an address is shown by the same one. */
const views: Record<string, string> = {
  '/s': 'Session', '/projects': 'Projects', '/files': 'Files', '/search': 'Search', '/terminal': 'Terminal', '/share': 'Share', '/more': 'More', '/snapshots': 'Snapshots', '/account': 'Account',
  '/admin/users': 'Users', '/admin/users/invitations': 'Invitations', '/admin/instances': 'Instances', '/admin/server': 'Server', '/admin/audit': 'Audit', '/setup': 'Setup', '/register': 'Register',
}

/** Tells public/early.js what code each view needs beside the page's own, so that both come together. */
function nameCode(): Plugin {
  return {
    name: 'carrel-name-code',
    apply: 'build',
    transformIndexHtml: {
      order: 'post',
      handler(html, { bundle }) {
        const chunks = Object.values(bundle ?? {}).filter((file) => file.type === 'chunk')
        const named = (name: string) => chunks.find((c) => c.fileName === name)
        const needs = (name: string, known: Set<string>): string[] => (known.has(name) ? [] : (known.add(name), [name, ...(named(name)?.imports ?? []).flatMap((n) => needs(n, known))]))
        const first = new Set<string>()
        for (const c of chunks) if (c.isEntry) needs(c.fileName, first)
        const pages = new Map(chunks.flatMap((c) => (first.has(c.fileName) ? [] : c.moduleIds.flatMap((id) => /\/src\/pages\/(\w+)Page\.tsx$/.exec(id)?.[1] ?? []).map((page) => [page, c.fileName] as const))))
        const code: Record<string, string[]> = {}
        for (const [path, page] of Object.entries(views)) {
          const file = pages.get(page)
          if (!file) throw new Error(`There is no ${page}Page for ${path}.`)
          pages.delete(page)
          code[path] = needs(file, new Set(first)).map((n) => `/${n}`)
        }
        if (pages.size > 0) throw new Error(`Where is what is shown: ${[...pages.keys()].join()}?`)
        return html.replace('<script src="/early.js">', `<script src="/early.js" data-code='${JSON.stringify(code)}'>`)
      },
    },
  }
}

export default defineConfig({
  plugins: [
    // Tests use what `npm run messages` compiled; the plugin's watcher would keep them from ending.
    !process.env.VITEST &&
      paraglideVitePlugin({
        project: './project.inlang',
        outdir: './src/i18n/paraglide',
        strategy: ['globalVariable', 'baseLocale'],
      }),
    react(),
    tailwindcss(),
    compiledWhole(),
    nameCode(),
    serviceWorker(),
    manifests(),
    compressed(),
  ],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    // Modern browsers only: light-dark() and dvh reach them as written.
    target: ['chrome123', 'safari17.5', 'firefox128'],
    // A strict content security policy forbids inline scripts and data: fonts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
    chunkSizeWarningLimit: 900,
    // What every page needs is one file, and what some share another: thirty small ones wait for each other.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'react', test: /node_modules\/(react|react-dom|scheduler)\/|src\/react\.ts/ }, { name: 'page', tags: ['$initial'] }, { name: 'shared', test: /paraglide\/messages|src\/(components|modules\/admin|push|share|theme)\/\w+\.tsx?$|conversation\/typing/, minShareCount: 2 }, { name: 'conversation', test: /pages\/SessionPage/ }] } } },
  },
  // Its grammars come one by one, when they are met.
  worker: { format: 'es' },
  server: { proxy: { '/api': { target: backend, ws: true } } },
  test: {
    include: ['src/**/*.test.{ts,tsx}'],
    environment: 'node',
    // Each file in a world of its own would take longer than all tests together.
    isolate: false,
    // For a machine that has much else to do.
    testTimeout: 60_000,
  },
})
