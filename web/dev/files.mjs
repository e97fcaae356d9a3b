// The files of the mock server: read only, but for the answers.
const text = {
  'README.md': '# Welcome, ana\n\nThis is your workspace.\n',
  'projects/fetcher/README.md': '# Fetcher\n\nFetches what may fail, and tries **again**.\n\n- see [the code](fetcher.ts)\n- see [the results](results.csv)\n\n```ts\nawait fetchAll(urls, { retry: 3 })\n```\n',
  'projects/fetcher/fetcher.ts': `import { wait } from './wait'\n\n/** Tries a request that may be repeated, a bounded number of times. */\nexport async function retry<T>(ask: () => Promise<T>, times = 3): Promise<T> {\n  for (let n = 1; ; n++) {\n    try {\n      return await ask()\n    } catch (e) {\n      if (n >= times) throw e\n      await wait(2 ** n * 100) // longer each time\n    }\n  }\n}\n`,
  'projects/fetcher/results.csv': 'host,attempts,milliseconds,note\n' + Array.from({ length: 400 }, (_, i) => `host-${i}.example,${(i % 3) + 1},${100 + i * 7},"${i % 5 ? '' : 'slow, but there'}"`).join('\n'),
  'projects/fetcher/report.ipynb': JSON.stringify({ metadata: { language_info: { name: 'python' } }, cells: [{ cell_type: 'markdown', source: ['## How often it tries\n', 'Three times at most.'] }, { cell_type: 'code', execution_count: 1, source: ['import statistics\n', 'print(statistics.mean([1, 2, 3]))'], outputs: [{ output_type: 'stream', name: 'stdout', text: ['2\n'] }] }, { cell_type: 'code', execution_count: 2, source: '1 / 0', outputs: [{ output_type: 'error', ename: 'ZeroDivisionError', evalue: 'division by zero', traceback: ['ZeroDivisionError: division by zero'] }] }] }),
  'projects/fetcher/model.bin': '\0\0\0',
  'projects/fetcher/.env': 'RETRY=3\n',
  'projects/thesis/outline.md': '# Outline\n',
  'projects/实验报告/数据.csv': '名称,数值\n甲,1\n',
}
const folders = new Set(['', 'projects', 'temp', 'uploads', 'projects/fetcher/tests'])
for (const p of Object.keys(text)) for (let at = p.lastIndexOf('/'); at > 0; at = p.lastIndexOf('/', at - 1)) folders.add(p.slice(0, at))

const at = new Date(Date.parse(process.env.MOCK_NOW ?? new Date().toISOString()) - 7_200_000).toISOString()
const entry = (path) => ({ name: path.slice(path.lastIndexOf('/') + 1), path, type: folders.has(path) ? 'folder' : 'file', size_bytes: Buffer.byteLength(text[path] ?? ''), modified_at: at })
const parent = (p) => p.slice(0, Math.max(0, p.lastIndexOf('/')))
const missing = { status: 404, problem: { title: 'Not Found', status: 404, code: 'not_found', detail: 'There is no such file or folder.' } }
const all = () => [...folders, ...Object.keys(text)].filter((p) => p !== '')

export const filesRoutes = [
  ['GET', /^\/files$/, (_, __, q) => {
    const path = q.get('path') ?? ''
    if (!folders.has(path) && !(path in text)) return missing
    return { ...entry(path), items: folders.has(path) ? all().filter((p) => parent(p) === path).map(entry) : [], next_cursor: null }
  }],
  ['PUT', /^\/files\/content$/, (_, __, q) => entry(q.get('path'))],
  ['GET', /^\/files\/search$/, (_, __, q) => ({ items: all().filter((p) => p.startsWith(q.get('path')) && p.includes(q.get('q'))).map(entry), cut: '' })],
  ['GET', /^\/files\/grep$/, (_, __, q) => ({
    items: Object.entries(text).flatMap(([path, t]) => t.split('\n').flatMap((l, i) => { const n = l.indexOf(q.get('q')); return n < 0 ? [] : [{ path, line: i + 1, before: l.slice(0, n), match: q.get('q'), after: l.slice(n + q.get('q').length) }] })),
    files: Object.keys(text).length, cut: 'results',
  })],
]

export function fileBytes(url, res) {
  const t = text[url.searchParams.get('path')]
  if (t === undefined) {
    res.writeHead(404, { 'Content-Type': 'application/problem+json' })
    return res.end(JSON.stringify(missing.problem))
  }
  res.writeHead(200, { 'Content-Type': 'application/octet-stream', ETag: `"${t.length}"` })
  res.end(t)
}
