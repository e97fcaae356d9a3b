import { expect, it } from 'vitest'
import { fixture, play } from '@/conversation/fixture'
import type { Row, ToolRow } from '@/conversation/model'
import { changesOf, inWorkspace } from './changes'

let seq = 0
const call = (name: string, input: Record<string, unknown>, data?: Record<string, unknown>, more: Partial<ToolRow> = {}): ToolRow => ({
  kind: 'tool', key: `t:${++seq}`, seq, parent: null, id: `${seq}`, name, input, inputText: '', status: 'done', children: [] as Row[],
  result: { seq, text: '', images: [], isError: false, data: data ?? {} }, ...more,
})
const patch = (...lines: string[]) => ({ structuredPatch: [{ oldStart: 1, newStart: 1, lines }] })

it('groups what was changed by file, with every edit in its order', () => {
  const { s } = play(fixture('13a-write-edit-read'))
  const [file, ...rest] = changesOf(s.rows)
  expect(rest).toEqual([])
  expect(file!.path).toBe('/home/alice/projects/demo/e.txt')
  expect(file!.created).toBe(true)
  expect(file!.edits.map((e) => [e.created, e.placed])).toEqual([[true, true], [false, true], [false, true]])
  expect(file!.edits[0]!.patch!.hunks[0]!.lines).toEqual(['+one', '+two', '+three', '+four'])
  expect(file!.edits[1]!.patch!.hunks[0]!.lines).toContain('+TWO')
  expect(file!.added).toBe(file!.edits.reduce((n, e) => n + e.patch!.added, 0))
  expect(file!.removed).toBe(2)
})

it('leaves out what failed, and what was written as it was', () => {
  expect(changesOf(play(fixture('13c-edit-fails')).s.rows)).toEqual([])
  expect(changesOf([call('Write', { file_path: '/a', content: 'x' }, { type: 'update', filePath: '/a', content: 'x', structuredPatch: [] })])).toEqual([])
  expect(changesOf([call('Edit', { file_path: '/a', old_string: 'x', new_string: 'y' }, patch('-x', '+y'), { status: 'denied' })])).toEqual([])
})

it('puts the file that was changed last first, also by a subagent', () => {
  const edit = (path: string) => call('Edit', { file_path: path }, { filePath: path, ...patch('-a', '+b') })
  const files = changesOf([edit('/one'), edit('/two'), call('Agent', {}, {}, { children: [edit('/one')] })])
  expect(files.map((f) => [f.path, f.edits.length])).toEqual([['/one', 2], ['/two', 1]])
})

it('shows what was asked for where the result does not say, and says where neither does', () => {
  const [edited] = changesOf([call('Edit', { file_path: '/a', old_string: 'x', new_string: 'y\nz' })])
  expect([edited!.added, edited!.removed, edited!.edits[0]!.placed]).toEqual([2, 1, false])
  const [written] = changesOf([call('Write', { file_path: '/a', content: 'whole' })])
  expect(written!.edits[0]!.patch).toBeNull()
  const [cells] = changesOf([call('NotebookEdit', { notebook_path: '/n.ipynb', new_source: '1' })])
  expect([cells!.path, cells!.edits[0]!.patch]).toEqual(['/n.ipynb', null])
})

it('finds the place of a file in the workspace', () => {
  expect(inWorkspace('/home/bob/projects/demo/a.ts', '/home/bob/projects/demo', 'demo')).toBe('projects/demo/a.ts')
  expect(inWorkspace('/home/bob/temp/a', '/home/bob/projects/demo', 'demo')).toBe('temp/a')
  expect(inWorkspace('/srv/carrel/projects/demo/a', '/srv/carrel/projects/demo', 'demo')).toBe('projects/demo/a')
  expect(inWorkspace('/home/bob/projects/demo/a', null, 'demo')).toBe('projects/demo/a')
  expect(inWorkspace('/tmp/a', '/home/bob/projects/demo', 'demo')).toBeNull()
})
