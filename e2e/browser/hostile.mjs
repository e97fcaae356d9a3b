// What hostile people, files and models write is shown in every place that shows such things. Whatever runs calls `pwned`.
import assert from 'node:assert/strict'
import { files, markdown, markup, misleading, names, output } from '../../web/dev/hostile.mjs'
import { fits, picture } from './checks.mjs'

const image = markup[1]
const turned = names.find((n) => n.includes('\u202e'))
/** A text as the scripted model says it. */
const quoted = (text) => text.replace(/[\\[\]]/g, '\\$&').replaceAll('\n', '\\n')

export async function hostilePart(world) {
  const bob = world.person('bob')
  const { page } = bob
  const seen = []
  await bob.context.exposeFunction('pwned', (by) => void seen.push(`ran: ${by}`))
  const dialog = (d) => (seen.push(`dialog: ${d.message()}`), d.dismiss())
  const request = (r) => !r.url().startsWith(world.url) && !/^(data|blob):/.test(r.url()) && seen.push(`asked for ${r.url()}`)
  const popup = (p) => seen.push(`opened ${p.url()}`)
  page.on('dialog', dialog).on('request', request).on('popup', popup)
  const nothing = (where) => assert.deepEqual(seen, [], where)
  await page.goto('/')
  await page.evaluate(() => window.pwned('this'))
  assert.deepEqual(seen.splice(0), ['ran: this'], 'what runs is seen')

  const put = (path, data) => bob.context.request.fetch(`/api/v1/files/content?path=${encodeURIComponent(path)}`, { method: 'PUT', data, headers: { Origin: world.url, 'Content-Type': 'application/octet-stream' } }).then((r) => assert.equal(r.status(), 201, path))
  const at = (name) => `/files/uploads/hostile/${encodeURIComponent(name)}`
  await inFiles(world, bob, put, at, nothing)
  await inAConversation(world, bob, put, nothing)

  world.note('addresses')
  const query = encodeURIComponent(image)
  for (const [address, shown] of [
    [`/files/uploads/hostile?tabs=${encodeURIComponent(JSON.stringify(['javascript:pwned(1)', image]))}&find=${query}`, page.getByRole('navigation', { name: 'Open files' }).getByText('javascript:pwned(1)')],
    [`/search?q=${query}`, page.getByRole('main').getByRole('link').first()],
  ]) {
    await page.goto(address)
    await shown.waitFor()
    nothing(address)
  }
  page.off('dialog', dialog).off('request', request).off('popup', popup)
}

async function inFiles(world, bob, put, at, nothing) {
  const { page } = bob
  const main = page.getByRole('main')
  world.note('hostile names of files')
  await Promise.all([...names.map((name) => [name, image]), ...Object.entries(files)].map(([name, content]) => put(`uploads/hostile/${name}`, content)))
  await page.goto('/files/uploads/hostile')
  for (const name of names.filter((n) => n !== turned)) await main.getByRole('list', { name: 'Files' }).getByText(name, { exact: true }).waitFor()
  await main.getByRole('list', { name: 'Files' }).getByText('report‹U+202E›gpj.exe').waitFor()
  await page.getByTestId('upload-files').setInputFiles({ name: '<img src=x onerror=pwned(1)>.up', mimeType: 'text/html', buffer: Buffer.from(image) })
  await page.getByRole('region', { name: 'Uploads' }).getByText('1 file uploaded').waitFor()
  await fits(page, 'hostile names')
  await picture(world, page, 'hostile-files')
  await page.goto(at(names[0])) // in the tree, a tab, the head and the title
  await main.getByText(image).waitFor()
  assert.equal(await page.title(), `${names[0]} · Carrel`)
  const inTree = page.getByRole('tree', { name: 'Files' }).getByRole('treeitem', { name: names[1] })
  await inTree.focus()
  await page.keyboard.press('Delete')
  await page.getByText(`Deleted ${names[1]}`).waitFor()
  await page.getByRole('button', { name: 'Undo' }).click()
  await inTree.waitFor()
  await page.goto('/files/uploads/hostile?find=onerror')
  await page.getByText(names[0], { exact: true }).last().waitFor()
  await page.goto('/files/uploads/hostile?find=pwned&in="lines"')
  await page.getByText('pwned').first().waitFor()
  nothing('names of files')

  world.note('hostile files, shown for what they are')
  for (const [name, shown] of [
    ['all.md', page.getByRole('img', { name: 'flowchart' }).first()],
    ['page.html', page.getByRole('textbox', { name: 'Text of page.html' }).getByText('pwned').first()],
    ['shape.svg', page.getByRole('img', { name: 'shape.svg' })],
    ['table.csv', page.getByRole('cell', { name: markup[0], exact: true })],
    ['book.ipynb', main.locator('.katex').first()],
  ]) {
    await page.goto(at(name))
    await shown.waitFor()
    nothing(name)
  }
  // The address of a file itself, as somebody may be sent it.
  for (const name of Object.keys(files)) {
    const res = await bob.context.request.get(`/api/v1/files/content?path=${encodeURIComponent(`uploads/hostile/${name}`)}&inline=1`)
    assert.match(res.headers()['content-disposition'], /^attachment/, name)
    assert.match(res.headers()['content-security-policy'], /sandbox/, name)
  }
}

async function inAConversation(world, bob, put, nothing) {
  const { page } = bob
  world.note('a hostile model')
  await bob.api('POST', '/projects', { data: { name: 'hostile' }, status: 201 })
  await put('projects/hostile/.claude/skills/evil/SKILL.md', `---\nname: evil\ndescription: ${JSON.stringify(`${image} [x](javascript:pwned(1))`)}\n---\n${image}`)
  await put('projects/hostile/out.txt', output.map(([text]) => text).join('\n'))
  await bob.startSession('hostile')
  const session = page.url().split('/').at(-1)
  const all = [...markup, ...markdown, ...misleading.map(([text]) => text)].join('\n\n')
  await bob.prompt(`[todo ${quoted(image)} | more] [echo ${quoted(all)}\\n\\nthat was all]`)
  await bob.answer('that was all').waitFor({ timeout: 60_000 })
  await bob.untilDone()
  await bob.log().getByRole('img', { name: 'flowchart' }).first().waitFor()
  await fits(page, 'a hostile answer')
  nothing('an answer')

  await bob.prompt(`[ask ${quoted(image)} | ${quoted(markup[2])}: ${quoted(markup[4])} | no]`)
  await bob.request().getByText(image).first().waitFor()
  await bob.request().getByRole('radio', { name: 'no' }).check()
  await bob.request().getByRole('button', { name: 'Answer', exact: true }).click()
  await bob.untilDone()
  nothing('a question')

  world.note('a hostile command')
  const command = `touch '${names[1]}' '${turned}'; cat out.txt`
  await bob.prompt(`[tool Bash ${JSON.stringify({ command, description: image })}]`)
  const card = bob.request()
  await card.getByText('report‹U+202E›gpj.exe').first().waitFor()
  await picture(world, page, 'hostile-command')
  nothing('a request')
  await card.getByRole('button', { name: 'Allow once' }).click()
  await bob.untilDone()
  await bob.log().getByRole('button', { name: /touch/ }).last().click()
  const said = bob.log().locator('pre').filter({ hasText: 'bank.example' })
  await said.waitFor()
  assert.doesNotMatch(await said.textContent(), /javascript:|\u001b|\]8;|\u202e/, 'what a terminal would obey is not shown')
  nothing('what a command wrote')

  world.note('hostile words elsewhere')
  await page.locator('[data-composer]').fill('/ev')
  await page.getByRole('option', { name: /evil/ }).first().waitFor()
  await page.locator('[data-composer]').fill('')
  await bob.api('PATCH', `/sessions/${session}`, { data: { title: image } })
  await page.getByRole('navigation', { name: 'Sessions' }).getByText(image).waitFor()
  await page.waitForFunction((title) => document.title.endsWith(`${title} · Carrel`), image)
  await page.keyboard.press('Control+k')
  await page.keyboard.type('onerror')
  await page.getByRole('option', { name: image }).first().waitFor()
  await page.keyboard.press('Escape')
  nothing('titles')
}
