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

/** Names a conversation's code before public/early.js runs, which says when the browser shall fetch it. */
function nameConversation(): Plugin {
  return {
    name: 'carrel-name-conversation',
    apply: 'build',
    transformIndexHtml: {
      order: 'post',
      handler: (_, { bundle }) =>
        Object.values(bundle ?? {})
          .filter((file) => file.type === 'chunk' && file.name === 'conversation')
          .map((file) => ({ tag: 'link', attrs: { id: 'conversation', as: 'script', crossorigin: true, href: `/${file.fileName}` }, injectTo: 'head-prepend' })),
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
    nameConversation(),
    serviceWorker(),
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
    // What every page needs is one file: thirty small ones wait for each other.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'react', test: /node_modules\/(react|react-dom|scheduler)\/|src\/react\.ts/ }, { name: 'page', tags: ['$initial'] }, { name: 'conversation', test: /pages\/SessionPage/ }] } } },
  },
  // Its grammars come one by one, when they are met.
  worker: { format: 'es' },
  server: { proxy: { '/api': { target: backend, ws: true } } },
  test: {
    include: ['src/**/*.test.{ts,tsx}'],
    environment: 'node',
    // Each file in a world of its own would take longer than all tests together.
    isolate: false,
  },
})
