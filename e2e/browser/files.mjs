// The files of a person: made, uploaded, edited on two devices at once, found, deleted and taken back.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { accessible, fits, noEnglish, picture, targets } from './checks.mjs'
import { fingers, middle } from './finger.mjs'
import { phone } from './world.mjs'

const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64')

/** A PDF of one page that says a few words. */
export function pdf(words) {
  const stream = `BT /F1 24 Tf 72 700 Td (${words}) Tj ET`
  const objects = [
    '<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(app.alert\\(1\\))>>>>', '<</Type/Pages/Kids[3 0 R]/Count 1>>',
    '<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>',
    `<</Length ${stream.length}>>stream\n${stream}\nendstream`, '<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>',
  ]
  let text = '%PDF-1.4\n'
  const at = objects.map((o, i) => {
    const offset = text.length
    text += `${i + 1} 0 obj${o}endobj\n`
    return offset
  })
  const xref = text.length
  text += `xref\n0 6\n0000000000 65535 f \n${at.map((o) => `${String(o).padStart(10, '0')} 00000 n \n`).join('')}trailer<</Size 6/Root 1 0 R>>\nstartxref\n${xref}\n%%EOF`
  return Buffer.from(text)
}

export async function filesPart(world) {
  const bob = world.person('bob')
  const { page } = bob
  const put = (path, data) => bob.context.request.fetch(`/api/v1/files/content?path=${encodeURIComponent(path)}`, { method: 'PUT', data, headers: { Origin: world.url, 'Content-Type': 'application/octet-stream' } })
  const line = (name, on = page) => on.getByRole('main').getByRole('list', { name: 'Files' }).getByRole('link', { name: new RegExp(`^${name.replace(/[.()]/g, '\\$&')}`) })
  const fresh = () => page.waitForLoadState('networkidle')

  world.note('folders and files are made')
  await page.goto('/')
  await page.getByRole('navigation', { name: 'Sessions' }).getByRole('link', { name: 'Files' }).click()
  await line('README.md').waitFor()
  await accessible(page, 'files')
  await line('uploads').click()
  await page.getByText('Nothing is in here yet').waitFor()
  await accessible(page, 'an empty folder')
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await page.getByRole('menuitem', { name: 'New folder' }).click()
  let dialog = page.getByRole('dialog', { name: 'New folder' })
  await dialog.getByLabel('Name').fill('garden')
  await dialog.getByRole('button', { name: 'Make the folder' }).click()
  await page.waitForURL(/\/files\/uploads\/garden$/)
  await page.getByRole('button', { name: 'New file' }).click()
  dialog = page.getByRole('dialog', { name: 'New file' })
  await dialog.getByLabel('Name').fill('notes 100%.txt')
  await dialog.getByRole('button', { name: 'Make the file' }).click()

  world.note('a file is edited and saved with the keyboard')
  const editor = page.getByRole('textbox', { name: 'Text of notes 100%.txt' })
  await editor.click()
  await page.keyboard.type('one\ntwo\n')
  await page.getByText('Not saved').first().waitFor()
  await page.keyboard.press('ControlOrMeta+s')
  await page.getByText(/^Saved/).waitFor()
  assert.equal(await bob.file('uploads/garden/notes 100%.txt'), 'one\ntwo\n')
  await accessible(page, 'the editor')

  world.note('what is not saved survives a reload')
  await page.keyboard.type('three')
  await page.getByText('Not saved').first().waitFor()
  await page.reload()
  await editor.getByText('three').waitFor()
  assert.equal(await bob.file('uploads/garden/notes 100%.txt'), 'one\ntwo\n')

  await findsInEditor(world, bob)
  await textComesFirst(world, bob)
  await page.goto('/files/uploads/garden/notes 100%25.txt')
  await editor.getByText('three').waitFor()

  world.note('another device changes it meanwhile')
  await put('uploads/garden/notes 100%.txt', 'ONE\ntwo\n')
  await bob.excusing([/412/], async () => {
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await page.getByText('The file changed while you edited it').waitFor()
  })
  await accessible(page, 'a conflict')
  await page.getByRole('button', { name: 'Compare' }).click()
  dialog = page.getByRole('dialog', { name: 'Theirs and yours' })
  await dialog.getByRole('row', { name: '− ONE' }).waitFor()
  await dialog.getByRole('button', { name: 'Keep mine' }).click()
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.getByText(/^Saved/).waitFor()
  assert.match(await bob.file('uploads/garden/notes 100%.txt'), /^one\ntwo\n.*three/s)

  world.note('what is changed elsewhere appears by itself')
  await put('uploads/garden/notes 100%.txt', 'from elsewhere\n')
  await page.evaluate(() => window.dispatchEvent(new Event('focus')))
  await editor.getByText('from elsewhere').waitFor()

  world.note('files are uploaded, and shown for what they are')
  await page.goto('/files/uploads/garden')
  await line('notes 100%.txt').waitFor()
  const big = Buffer.alloc(3 * 1024 * 1024, 'carrel ')
  await page.getByTestId('upload-files').setInputFiles([
    { name: 'big.bin', mimeType: 'application/octet-stream', buffer: big },
    { name: 'plan.md', mimeType: 'text/markdown', buffer: Buffer.from('# The plan\n\n![a dot](dot.png) and [the table](table.csv)\n\n<script>document.title = "run"</script>') },
    { name: 'dot.png', mimeType: 'image/png', buffer: png },
    { name: 'page.svg', mimeType: 'image/svg+xml', buffer: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>parent.document.title = "run"</script><rect width="9" height="9"/></svg>') },
    { name: 'page.html', mimeType: 'text/html', buffer: Buffer.from('<script>document.title = "run"</script>') },
    { name: 'table.csv', mimeType: 'text/csv', buffer: Buffer.from('name,"the, value"\n' + Array.from({ length: 5000 }, (_, i) => `row ${i},"=1+${i}"`).join('\n')) },
    { name: 'book.ipynb', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify({ metadata: {}, cells: [{ cell_type: 'code', execution_count: 1, source: ['print(6 * 7)'], outputs: [{ output_type: 'stream', name: 'stdout', text: ['forty-two\n'] }, { output_type: 'display_data', data: { 'text/html': '<img src=x onerror="document.title=\'run\'">' } }] }] })) },
    { name: 'paper.pdf', mimeType: 'application/pdf', buffer: pdf('Forty-two') },
    { name: 'broken.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.7 and no more') },
    { name: 'gbk.txt', mimeType: 'text/plain', buffer: Buffer.from('d0d5c3fb2cc4eac1e40d0a', 'hex') },
    { name: 'notes 100%.txt', mimeType: 'text/plain', buffer: Buffer.from('again') },
  ])
  const tray = page.getByRole('region', { name: 'Uploads' })
  await bob.excusing([/409/], async () => {
    await tray.getByText('There is something of that name already.').waitFor()
    await tray.getByRole('button', { name: 'Keep both' }).click()
    await tray.getByText('11 files uploaded').waitFor({ timeout: 60_000 })
  })
  await accessible(page, 'uploads')
  await picture(world, page, 'files-uploaded')
  assert.equal(await bob.file('uploads/garden/notes 100% (2).txt'), 'again')
  const { items } = await bob.api('GET', '/files?path=uploads/garden')
  assert.equal(items.find((e) => e.name === 'big.bin').size_bytes, big.length)
  await tray.getByRole('button', { name: 'Close' }).click()
  await line('plan.md').click()
  await page.getByRole('heading', { name: 'The plan' }).waitFor()
  await page.waitForFunction(() => document.querySelector('img[alt="a dot"]')?.naturalWidth === 1)
  await accessible(page, 'a markdown file')
  await page.getByRole('link', { name: 'the table' }).click()
  await page.getByRole('cell', { name: 'row 0', exact: true }).waitFor()
  await page.getByRole('columnheader', { name: 'the, value' }).waitFor()
  assert.ok((await page.getByRole('row').count()) < 200, 'only what is seen of a long table is drawn')
  await accessible(page, 'a table')
  for (const [name, shown] of [
    ['dot.png', () => page.getByRole('img', { name: 'dot.png' })],
    ['page.svg', () => page.getByRole('img', { name: 'page.svg' })],
    ['page.html', () => page.getByRole('textbox', { name: 'Text of page.html' }).getByText('document.title')],
    ['book.ipynb', () => page.getByText('forty-two')],
    ['paper.pdf', () => page.getByRole('region', { name: 'PDF, one page' }).getByText('Forty-two')],
    ['broken.pdf', () => page.getByText('The PDF cannot be shown')],
    ['gbk.txt', () => page.getByRole('textbox', { name: 'Text of gbk.txt' }).getByText('姓名,年龄')],
    ['big.bin', () => page.getByText(/is too much for the editor|not text/)],
  ]) {
    await page.goto(`/files/uploads/garden/${name}`)
    await shown().waitFor()
    await accessible(page, name)
    assert.doesNotMatch(await page.title(), /run/, `${name} has run`)
  }
  await picture(world, page, 'files-binary')
  await page.goto('/files/uploads/garden/gbk.txt')
  const foreign = page.getByRole('textbox', { name: 'Text of gbk.txt' })
  await foreign.click()
  await page.keyboard.type('x')
  assert.equal(await foreign.getByText('x').count(), 0, 'what would be saved in another encoding was changed')
  await page.getByRole('note').filter({ hasText: 'GB18030' }).waitFor()
  await picture(world, page, 'files-gbk')
  await page.getByRole('button', { name: 'Convert to UTF-8' }).click()
  await page.getByRole('note').filter({ hasText: 'GB18030' }).waitFor({ state: 'detached' })
  assert.equal(await bob.file('uploads/garden/gbk.txt'), '姓名,年龄\r\n')

  await folderIsUploaded(world, bob, line, '实验 report')
  await uploadsThatGoOn(world, bob, line)

  world.note('the tree goes by keyboard')
  await page.evaluate(() => sessionStorage.clear()) // the tabs of what was opened until now
  await page.goto('/files/uploads/garden/plan.md')
  const tree = page.getByRole('tree', { name: 'Files' })
  await tree.getByRole('treeitem', { name: 'plan.md' }).focus()
  await page.keyboard.press('ArrowLeft')
  assert.equal(await page.evaluate(() => document.activeElement.dataset.path), 'uploads/garden')
  await page.keyboard.press('ArrowLeft')
  await tree.getByRole('treeitem', { name: 'garden', expanded: false }).waitFor()
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('Enter')
  await page.waitForURL(/big\.bin/)
  await page.getByRole('navigation', { name: 'Open files' }).getByRole('link', { name: 'plan.md' }).waitFor()
  await page.getByRole('button', { name: 'Close big.bin' }).click()
  await page.waitForURL(/plan\.md/)

  world.note('a file is found by its name and by what is in it')
  await page.goto('/files')
  await page.getByRole('button', { name: 'Find files' }).click()
  await page.getByRole('searchbox').fill('ntes txt')
  await page.getByRole('link', { name: /notes 100%\.txt/ }).waitFor()
  await page.getByText('In files', { exact: true }).click()
  await page.getByRole('searchbox').fill('ELSEWHERE')
  await page.getByRole('button', { name: 'Search', exact: true }).click()
  await page.getByRole('link', { name: /from elsewhere/ }).click()
  await editor.waitFor()
  await accessible(page, 'a line that was found')

  world.note('a file is deleted, and that taken back')
  await tree.getByRole('treeitem', { name: 'page.html' }).focus()
  await page.keyboard.press('Delete')
  await page.getByText('Deleted page.html').waitFor()
  await tree.getByRole('treeitem', { name: 'page.html' }).waitFor({ state: 'detached' })
  await bob.noFile('uploads/garden/page.html')
  await page.getByRole('button', { name: 'Undo' }).click()
  await tree.getByRole('treeitem', { name: 'page.html' }).waitFor()
  assert.match(await bob.file('uploads/garden/page.html'), /script/)

  world.note('and where its name was taken meanwhile, under another')
  await tree.getByRole('treeitem', { name: 'page.html' }).focus()
  await page.keyboard.press('Delete')
  await tree.getByRole('treeitem', { name: 'page.html' }).waitFor({ state: 'detached' })
  await put('uploads/garden/page.html', 'another')
  await page.getByRole('button', { name: 'Undo' }).click()
  await page.getByText('It is back as page (2).html.').waitFor()
  await tree.getByRole('treeitem', { name: 'page (2).html' }).waitFor()
  assert.equal(await bob.file('uploads/garden/page.html'), 'another')
  assert.match(await bob.file('uploads/garden/page (2).html'), /script/)

  await trashed(world, bob, put)

  world.note('what Claude writes appears by itself')
  const other = await bob.open()
  await page.goto('/files/projects')
  await fresh()
  bob.page = other
  await bob.startProject('watched')
  await bob.prompt('[write seen.txt Claude was here]')
  await bob.request(other).getByRole('button', { name: 'Allow once' }).click()
  await bob.untilDone(other)
  bob.page = page
  await line('watched').click()
  await line('seen.txt').waitFor()
  await other.close()

  world.note('a right click and the menu key open the menu of a row, also in the tree')
  const menu = page.getByRole('menu')
  const moves = menu.getByRole('menuitem', { name: 'Rename or move…' })
  for (const row of [line('seen.txt'), page.getByRole('treeitem', { name: 'watched' })]) {
    await row.click({ button: 'right' })
    await moves.waitFor()
    await page.keyboard.press('Escape')
    await menu.waitFor({ state: 'detached' })
  }
  await line('seen.txt').focus()
  await page.keyboard.press('Shift+F10')
  await moves.waitFor()
  await accessible(page, 'the menu of a file')
  await page.keyboard.press('Escape')
  await page.waitForFunction(() => document.activeElement.matches('a[href*="seen.txt"]'))

  world.note('on a phone')
  const small = await world.seat('bob', phone)
  const p = small.page
  await small.signIn()
  await p.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: 'Files' }).tap()
  await line('uploads', p).waitFor()
  await fits(p, 'files')
  await targets(p, 'files')
  const finger = await fingers(p)
  const held = await middle(line('uploads', p))
  await finger.down(held)
  await p.getByRole('menuitem', { name: 'Download as zip' }).waitFor()
  await finger.up()
  await targets(p, 'the menu of a folder')
  await p.touchscreen.tap(held[0], 700) // beside it
  await p.getByRole('menu').waitFor({ state: 'detached' })
  assert.match(p.url(), /\/files\/?$/)
  await line('uploads', p).tap()
  await line('garden', p).tap()
  await line('plan.md', p).tap()
  await p.getByRole('heading', { name: 'The plan' }).waitFor()
  await fits(p, 'a markdown file')
  await targets(p, 'a markdown file')
  await p.getByRole('button', { name: 'Edit' }).tap()
  await p.getByRole('textbox', { name: 'Text of plan.md' }).waitFor()
  await fits(p, 'the editor')
  await targets(p, 'the editor')
  await accessible(p, 'the editor on a phone')
  await picture(world, p, 'files-phone-editor')
  await p.getByRole('link', { name: 'Back' }).tap()
  await line('paper.pdf', p).waitFor()
  await fits(p, 'a folder')
  await picture(world, p, 'files-phone-folder')
  await findsInEditor(world, small)
  await folderIsUploaded(world, small, line, '手机 report')
  await p.goto('/files/uploads/garden')
  await small.api('PATCH', '/me', { data: { language: 'zh-CN' } })
  await p.reload()
  await p.getByRole('button', { name: '添加' }).waitFor()
  await noEnglish(p, 'a folder', items.map((e) => e.name).concat('garden', 'large.bin', 'picked.bin', 'notes 100% (2).txt', 'big.bin', 'plan.md', 'dot.png', 'page.svg', 'page.html', 'page (2).html', 'table.csv', 'book.ipynb', 'paper.pdf'))
  await small.api('PATCH', '/me', { data: { language: 'en' } })
  await world.leave(small)
}

/** Words are found in a text and replaced, all at once, and what is saved is that. */
async function findsInEditor(world, p) {
  world.note('words are found in the editor, and replaced')
  const { page } = p
  const small = page.viewportSize().width < 760
  await p.api('PUT', '/files/content?path=uploads/garden/birds.txt', { data: 'A heron, 鹭\nno bird\nA Heron and a heron, 鹭鹭\n', status: small ? 200 : 201 })
  await page.goto('/files/uploads/garden/birds.txt')
  const editor = page.getByRole('textbox', { name: 'Text of birds.txt' })
  await editor.getByText('no bird').waitFor()
  if (small) await page.getByRole('button', { name: 'Find', exact: true }).tap()
  else {
    await editor.click()
    await page.keyboard.press('ControlOrMeta+f')
  }
  const found = page.getByRole('textbox', { name: 'Find', exact: true })
  await found.pressSequentially('heron')
  await found.press('Enter')
  const at = () => editor.locator('.cm-line').filter({ has: page.locator('.cm-searchMatch-selected') })
  await at().filter({ hasText: '鹭' }).waitFor()
  const first = await at().innerText()
  await page.getByRole('button', { name: 'next', exact: true }).click()
  await page.waitForFunction((was) => document.querySelector('.cm-line:has(.cm-searchMatch-selected)')?.textContent !== was, first)
  assert.equal(await editor.locator('.cm-searchMatch').count(), 3)
  await page.getByRole('checkbox', { name: 'match case' }).check()
  await page.waitForFunction(() => document.querySelectorAll('.cm-searchMatch').length === 2)
  await page.getByRole('checkbox', { name: 'match case' }).uncheck()
  await fits(page, 'find in the editor')
  if (small) await targets(page, 'find in the editor')
  await accessible(page, 'find in the editor')
  await picture(world, page, `editor-find-${page.viewportSize().width}`)
  await found.fill('鹭')
  const other = page.getByRole('textbox', { name: 'Replace with' })
  await other.fill('白鹭')
  await page.getByRole('button', { name: 'replace', exact: true }).click()
  await page.getByRole('button', { name: 'replace all', exact: true }).click()
  await editor.getByText('白鹭白鹭').waitFor()
  await page.keyboard.press('Escape')
  await found.waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.getByText(/^Saved/).waitFor()
  assert.equal(await p.file('uploads/garden/birds.txt'), 'A heron, 白鹭\nno bird\nA Heron and a heron, 白鹭白鹭\n')
}

/** Who only reads does not wait for what edits. */
async function textComesFirst(world, bob) {
  world.note('a text is there before its editor')
  const context = await world.browser.newContext({ baseURL: world.url, locale: 'en', serviceWorkers: 'block', storageState: await bob.context.storageState() })
  const page = await context.newPage()
  let release
  const held = new Promise((r) => (release = r))
  await page.route(/\/assets\/Editor-/, (route) => held.then(() => route.continue()))
  await page.goto('/files/uploads/garden/birds.txt')
  await page.getByText('no bird').waitFor()
  assert.equal(await page.locator('.cm-content').count(), 0)
  release()
  await page.locator('.cm-content').getByText('no bird').waitFor()
  await context.close()
}

/** A folder comes whole, with the folders in it, under the names that it has. */
async function folderIsUploaded(world, p, line, name) {
  world.note('a folder is uploaded with what is in it')
  const { page } = p
  const small = page.viewportSize().width < 760
  const press = (button) => (small ? button.tap() : button.click())
  const folder = mkdtempSync(join(tmpdir(), 'carrel-folder-'))
  const all = { '说明.md': '# 说明', 'deep/down/一盏 灯.txt': '灯', 'deep/100%.bin': 'x'.repeat(70_000), 'empty.txt': '' }
  const base = join(folder, name)
  try {
    for (const [path, text] of Object.entries(all)) {
      mkdirSync(join(base, path, '..'), { recursive: true })
      writeFileSync(join(base, path), text)
    }
    await page.goto('/files/temp')
    await page.getByRole('heading', { name: 'temp' }).waitFor()
    await press(page.getByRole('button', { name: 'Add', exact: true }))
    const item = page.getByRole('menuitem', { name: 'Upload a folder…' })
    await item.waitFor()
    if (small) await targets(page, 'what can be added')
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), press(item)])
    await chooser.setFiles(base)
    const tray = page.getByRole('region', { name: 'Uploads' })
    await tray.getByText('4 files uploaded').waitFor()
    if (small) await fits(page, 'uploads')
    await press(tray.getByRole('button', { name: 'Close' }))
    await press(line(name, page))
    await line('deep', page).waitFor()
    await line('说明.md', page).waitFor()
    for (const [path, text] of Object.entries(all)) assert.equal(await p.file(`temp/${name}/${path}`), text, path)
    assert.deepEqual((await p.api('GET', `/files?path=${encodeURIComponent(`temp/${name}`)}`)).items.map((e) => e.name).sort(), ['deep', 'empty.txt', '说明.md'])
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Uploads that the page did not live to finish: chosen again, opened again, forgotten. */
async function uploadsThatGoOn(world, bob, line) {
  const { page } = bob
  const tray = page.getByRole('region', { name: 'Uploads' })
  const folder = mkdtempSync(join(tmpdir(), 'carrel-upload-'))
  const asked = []
  const answer = (d) => (asked.push(d.type()), d.accept())
  page.on('dialog', answer)
  const arrive = async () => {
    await page.goto('/files/uploads/garden')
    await line('plan.md').waitFor()
    await page.evaluate(() => (window.showOpenFilePicker = undefined)) // as in other browsers: the test has no hand in that dialog
  }
  const choose = async (button, path) => {
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), button.click()])
    await chooser.setFiles(path)
  }
  const uploadFiles = async () => {
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    return page.getByRole('menuitem', { name: 'Upload files' })
  }
  /** Lets so much through, and loads the page anew when the rest is cut off. */
  const cut = async (most, begin) => {
    const stop = (route) => (route.request().method() === 'PATCH' && Number(route.request().headers()['upload-offset']) >= most ? route.abort('connectionreset') : route.continue())
    await page.route('**/files/uploads/*', stop)
    await bob.excusing([/uploads/, /ERR_CONNECTION_RESET/], async () => {
      const broken = page.waitForEvent('requestfailed', (r) => r.method() === 'PATCH')
      await begin()
      await broken
      await page.reload()
      await page.unroute('**/files/uploads/*', stop)
    })
    await line('plan.md').waitFor()
  }
  const piece = 16 * 1024 * 1024
  try {
    world.note('an upload goes on after the connection was lost and the page loaded anew')
    const [large, other] = [join(folder, 'large.bin'), join(folder, 'other', 'large.bin')]
    mkdirSync(join(folder, 'other'))
    const content = randomBytes(20 * 1024 * 1024)
    writeFileSync(large, content)
    writeFileSync(other, content.subarray(1))
    await arrive()
    await cut(piece, async () => choose(await uploadFiles(), large))
    assert.deepEqual(asked.splice(0), ['beforeunload'], 'leaving asks while a file would have to be chosen again')
    await tray.getByText('1 upload was not finished').waitFor()
    await tray.getByText('16 MiB of 20 MiB sent').waitFor()
    await accessible(page, 'an upload that was not finished')
    await picture(world, page, 'files-upload-left')
    await page.evaluate(() => (window.showOpenFilePicker = undefined))
    await choose(tray.getByRole('button', { name: 'Choose the file: large.bin' }), other)
    await tray.getByText('has another size').waitFor()
    const sent = page.waitForRequest((r) => r.method() === 'PATCH')
    await choose(tray.getByRole('button', { name: 'Choose the file: large.bin' }), large)
    assert.equal((await sent).headers()['upload-offset'], String(piece))
    await tray.getByText('1 file uploaded').waitFor({ timeout: 60_000 })
    const got = await (await bob.context.request.get('/api/v1/files/content?path=uploads/garden/large.bin')).body()
    assert.ok(got.equals(content), 'the file has the bytes that were sent')

    world.note('it goes on by itself where the browser may open the file again')
    await page.evaluate(async () => {
      // A file of the browser's own stands for one that was picked: its handle is kept and asked in the same way.
      const handle = await (await navigator.storage.getDirectory()).getFileHandle('picked.bin', { create: true })
      const writer = await handle.createWritable()
      await writer.write(new Uint8Array(600_000).fill(7))
      await writer.close()
      window.showOpenFilePicker = async () => [handle]
    })
    await cut(0, async () => (await uploadFiles()).click())
    await tray.getByText('1 file uploaded').waitFor()
    assert.equal((await bob.api('GET', '/files?path=uploads/garden/picked.bin')).size_bytes, 600_000)
    assert.deepEqual(asked, [], 'nothing would be lost')

    world.note('one is forgotten, here and on the server')
    await page.evaluate(() => (window.showOpenFilePicker = undefined))
    const begun = page.waitForResponse((r) => r.request().method() === 'POST' && r.url().endsWith('/files/uploads'))
    const unwanted = join(folder, 'unwanted.bin')
    writeFileSync(unwanted, content.subarray(0, 600_000))
    await cut(0, async () => choose(await uploadFiles(), unwanted))
    const ended = page.waitForResponse((r) => r.request().method() === 'DELETE')
    await tray.getByRole('button', { name: 'Forget the upload of unwanted.bin' }).click()
    assert.equal((await ended).status(), 204)
    assert.ok((await ended).url().endsWith((await begun).headers().location))
    await tray.waitFor({ state: 'detached' })
    await page.reload()
    await line('plan.md').waitFor()
    assert.equal(await tray.count(), 0)
  } finally {
    page.off('dialog', answer)
    rmSync(folder, { recursive: true })
  }
}

/** What was deleted a while ago has a view of its own, and a way back. */
async function trashed(world, bob, put) {
  world.note('what was deleted is found, put back, and deleted for good')
  const { page } = bob
  const entry = (name) => page.getByRole('list', { name: 'Recently deleted' }).getByRole('listitem').filter({ hasText: name })
  for (const name of ['left.txt', 'gone.txt']) await put(`projects/trial/deep/${name}`, name)
  await bob.api('POST', '/files/trash', { data: { path: 'projects/trial/deep/left.txt' } })
  await bob.api('POST', '/files/trash', { data: { path: 'projects/trial' } })
  await page.goto('/files/temp/.trash')
  await page.getByText('What is deleted stays here for 7 days').waitFor()
  await page.getByRole('heading', { name: 'Recently deleted' }).waitFor()
  await entry('left.txt').getByText('was in projects/trial/deep').waitFor()
  await accessible(page, 'the trash')
  await picture(world, page, 'trash-desk-light-en')
  const { width, height } = page.viewportSize()
  await page.setViewportSize(phone.viewport)
  await page.emulateMedia({ colorScheme: 'dark' })
  await fits(page, 'the trash, on a phone')
  await picture(world, page, 'trash-phone-dark-en')
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width, height })
  await entry('left.txt').getByRole('button', { name: 'Put back left.txt' }).click()
  await page.getByText('left.txt is back in deep.').waitFor()
  await entry('left.txt').waitFor({ state: 'detached' })
  assert.equal(await bob.file('projects/trial/deep/left.txt'), 'left.txt')
  // Its place is taken by the folder that was made for the other.
  await entry('trial').getByRole('button', { name: 'Put back trial' }).click()
  await page.getByText('trial (2) is back in projects.').waitFor()
  assert.equal(await bob.file('projects/trial (2)/deep/gone.txt'), 'gone.txt')
  await bob.api('POST', '/files/trash', { data: { path: 'projects/trial (2)' } })
  await bob.api('POST', '/files/trash', { data: { path: 'projects/trial' } })
  await page.reload()
  await entry('trial (2)').getByRole('button', { name: 'Menu of trial (2)' }).click()
  await page.getByRole('menuitem', { name: 'Delete' }).click()
  const sure = page.getByRole('dialog')
  await sure.getByText('This cannot be undone.').waitFor()
  await sure.getByRole('button', { name: 'Delete for good' }).click()
  await entry('trial (2)').waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'Delete all for good' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete all for good' }).click()
  await page.getByText('Nothing was deleted in the last 7 days.').waitFor()
  assert.deepEqual((await bob.api('GET', '/files/trash')).items, [])
}
