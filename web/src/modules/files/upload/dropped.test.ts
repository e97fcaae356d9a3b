import { expect, it } from 'vitest'
import { dropped } from './dropped'

const file = (name: string, readable = true) => ({ name, isFile: true, file: (yes: (f: File) => void, no: (e: Error) => void) => (readable ? yes(new File([name], name)) : no(new Error('NotReadableError'))) })
function folder(name: string, entries: object[], readable = true) {
  const parts = [entries, []]
  return { name, isFile: false, createReader: () => ({ readEntries: (yes: (e: object[]) => void, no: (e: Error) => void) => (readable ? yes(parts.shift() ?? []) : no(new Error('NotReadableError'))) }) }
}
const items = (...entries: object[]) => entries.map((entry) => ({ kind: 'file', webkitGetAsEntry: () => entry, getAsFile: () => null })) as unknown as DataTransferItemList

it('takes what can be read of what was dropped, and names the rest', async () => {
  const { files, unread } = await dropped(items(folder('site', [file('a.html'), file('secret', false), folder('locked', [], false), folder('css', [file('b.css')])]), file('gone', false), file('c.txt')), 'projects/x')
  expect(files.map((f) => f.path)).toEqual(['projects/x/site/a.html', 'projects/x/site/css/b.css', 'projects/x/c.txt'])
  expect(unread).toEqual(['projects/x/site/secret', 'projects/x/site/locked', 'projects/x/gone'])
})
