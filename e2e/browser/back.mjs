// The way back in a conversation: files as they were before a prompt, another
// way from a prompt on, and what was said long ago.
import assert from 'node:assert/strict'
import { accessible, fits, picture, targets } from './checks.mjs'
import { phone, together } from './world.mjs'

const menuOf = (p, prompt) => p.log().locator('[data-row]').filter({ has: p.page.locator('.bg-sunken', { hasText: prompt }) }).getByRole('button', { name: 'What to do with this prompt' })

/** By hand, as one has it there. */
const press = (button) => (button.page().viewportSize().width < 760 ? button.tap() : button.click())

async function choose(p, prompt, what) {
  await press(menuOf(p, prompt))
  await press(p.page.getByRole('menuitem', { name: what }))
  return p.page.getByRole('dialog', { name: what })
}

/** Two at a time, each in their language. */
export async function backPart(world) {
  const yun = await world.newcomer('yun', { locale: 'zh-CN' })
  await together([world.person('bob'), yun].map((p) => goesBack(world, p)))
  await world.leave(yun)
}

async function goesBack(world, p) {
  await p.api('POST', '/projects', { data: { name: 'garden-path' }, status: 201 })
  const { id: session } = await p.api('POST', '/sessions', { data: { project: 'garden-path', permission_mode: 'acceptEdits' }, status: 201 })
  await p.page.goto(`/s/${session}`)
  await p.composer().waitFor()
  const file = (name) => `projects/garden-path/${name}`
  await p.turn('[write beds.txt rose\\nheather\\n] [echo the beds are dug]', 'the beds are dug')
  await p.turn('[edit beds.txt rose => thistle] [write weeds.txt nettle\\n] [echo it is overgrown]', 'it is overgrown')
  await rewound(world, p, file, 'rose => thistle')
  await forked(world, p, { prompt: 'rose => thistle', before: 'the beds are dug', old: 'it is overgrown', next: 'the other garden' })
  await p.page.goto(`/s/${session}`)
  await found(world, p)
  if (p.language === 'en') await onPhone(world, p, session, file) // which takes as long again
}

/** What a prompt did to the files is shown, and then undone; what was there before it stays. */
async function rewound(world, p, file, prompt, view = async () => {}) {
  world.note('files go back to a prompt, once it was seen which')
  const { page } = p
  let dialog = await choose(p, prompt, 'Rewind files to here')
  await dialog.getByText('2 files go back to what they were before this prompt (lines: 1 put in, 2 taken out). What commands changed stays.').waitFor()
  assert.deepEqual((await dialog.getByRole('listitem').allInnerTexts()).map((t) => t.split('/').at(-1)).sort(), ['beds.txt', 'weeds.txt'])
  await accessible(page, 'rewind')
  await view('rewind')
  await picture(world, page, `rewind-${page.viewportSize().width}`)
  await press(dialog.getByRole('button', { name: 'Cancel' }))
  await dialog.waitFor({ state: 'detached' })
  assert.equal(await p.file(file('weeds.txt')), 'nettle\n', 'a look changed the files')
  dialog = await choose(p, prompt, 'Rewind files to here')
  await press(dialog.getByRole('button', { name: 'Rewind files to here' }))
  await page.getByText('2 files are as they were before this prompt.').waitFor()
  await dialog.waitFor({ state: 'detached' })
  assert.equal(await p.file(file('beds.txt')), 'rose\nheather\n')
  await p.noFile(file('weeds.txt'))
  dialog = await choose(p, prompt, 'Rewind files to here')
  await dialog.getByText('No file that Claude changed since this prompt is different now.').waitFor()
  assert.equal(await dialog.getByRole('button', { name: 'Rewind files to here' }).count(), 0)
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
}

/** Another session begins with what was said before a prompt; this one stays as it is. */
async function forked(world, p, { prompt, before, old, next, view = async () => {} }) {
  world.note('another way is gone from a prompt on, and the first one stays')
  const { page } = p
  const session = page.url().split('/').at(-1)
  const told = async () => (await p.api('GET', `/sessions/${session}/events?after=0&limit=5000`)).items.map((e) => JSON.stringify(e.event)).filter((e) => /"carrel\.prompt"|"type":"assistant"/.test(e))
  const was = await told()
  const dialog = await choose(p, prompt, 'Edit and fork from here')
  assert.match(await dialog.getByRole('textbox', { name: 'Prompt' }).inputValue(), new RegExp(prompt))
  await dialog.getByRole('textbox', { name: 'Prompt' }).fill(`[echo ${next}]`)
  await accessible(page, 'fork')
  await view('fork')
  await press(dialog.getByRole('button', { name: 'Fork and send' }))
  await page.waitForURL((url) => /^\/s\/[0-9a-f-]{36}$/.test(url.pathname) && !url.pathname.endsWith(session))
  await p.answer(next).waitFor({ timeout: 60_000 })
  await p.untilDone()
  await p.answer(before).waitFor()
  assert.ok(!(await p.log().textContent()).includes(old), 'what came after the prompt went along')
  assert.deepEqual(await told(), was, 'the session that was left has changed')
}

/** Words are found in the whole conversation, also where it is not drawn. */
async function found(world, p) {
  world.note('words are found in what was said long ago')
  const { page } = p
  // More rows than are drawn at the end; the answers before the last ten are far above.
  await p.turn(`${Array.from({ length: 20 }, (_, i) => `[echo ${i % 10 === 0 ? 'A heron' : 'A goose'} at ${i} o’clock] [read beds.txt]`).join(' ')} [echo night]`, 'night')
  assert.ok(await p.log().evaluate((el) => el.scrollHeight - el.scrollTop - el.clientHeight < 40), 'the end is followed')
  await page.reload() // now only the end is drawn
  await p.answer('night').waitFor()
  assert.equal(await p.log().getByText('A heron at 0').count(), 0, 'the whole conversation is drawn: nothing is to be found far above')
  await p.log().focus()
  await page.keyboard.press('ControlOrMeta+f')
  const search = page.getByRole('search')
  await search.getByRole('textbox', { name: 'Find in this conversation' }).pressSequentially('HERON')
  await findsTwo(p, search, () => page.keyboard.press('Enter'), () => page.keyboard.press('Shift+Enter'))
  await accessible(page, 'find')
  await picture(world, page, 'find')
  await search.getByRole('textbox').fill('no such bird')
  await search.getByText('Not found').waitFor()
  await page.keyboard.press('Escape')
  await search.waitFor({ state: 'detached' })
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('role')), 'log')
  await press(page.getByRole('button', { name: 'Session menu' }))
  await press(page.getByRole('menuitem', { name: 'Find in this conversation' }))
  await search.getByRole('textbox').fill('heron')
  await findsTwo(p, search, () => press(search.getByRole('button', { name: 'Earlier match' })), () => press(search.getByRole('button', { name: 'Later match' })))
  await press(search.getByRole('button', { name: 'Close' }))
  await search.waitFor({ state: 'detached' })
}

/** There are three of them: the prompt, and two answers. The search goes round. */
async function findsTwo(p, search, before, after) {
  const at = async (n, text) => {
    await search.getByText(`${n} of 3`, { exact: true }).waitFor()
    // In sight, and marked.
    await p.page.waitForFunction((text) => {
      const row = document.querySelector('.found')
      const box = row?.getBoundingClientRect()
      const seen = document.querySelector('[role=log]').getBoundingClientRect()
      return row?.textContent.includes(text) && box.bottom > seen.top && box.top < seen.bottom && CSS.highlights.get('carrel-find')?.size > 0
    }, text)
  }
  await search.getByText('3 found', { exact: true }).waitFor()
  await before()
  await at(3, 'A heron at 10')
  await before()
  await at(2, 'A heron at 0')
  await before()
  await at(1, '[read beds.txt]')
  await after()
  await at(2, 'A heron at 0')
  await after()
  await at(3, 'A heron at 10')
  await after()
  await at(1, '[read beds.txt]')
}

async function onPhone(world, owner, session, file) {
  world.note('and on a phone')
  const p = await world.seat(owner.name, { ...phone, storageState: await owner.context.storageState() }, { locale: owner.language })
  const { page } = p
  const view = async (where) => {
    await fits(page, where)
    await targets(page, where)
  }
  await page.goto(`/s/${session}`)
  await p.answer('night').waitFor()
  await press(page.getByRole('button', { name: 'Session menu' }))
  await press(page.getByRole('menuitem', { name: 'Find in this conversation' }))
  const search = page.getByRole('search')
  await search.getByRole('textbox').fill('heron')
  await view('find on a phone')
  await findsTwo(p, search, () => press(search.getByRole('button', { name: 'Earlier match' })), () => press(search.getByRole('button', { name: 'Later match' })))
  await picture(world, page, 'find-phone')
  await press(search.getByRole('button', { name: 'Close' }))
  await search.waitFor({ state: 'detached' })
  await p.turn('[edit beds.txt rose => bramble] [write weeds.txt nettle\\n] [echo overgrown again]', 'overgrown again')
  await rewound(world, p, file, 'rose => bramble', view)
  await forked(world, p, { prompt: 'rose => bramble', before: 'night', old: 'overgrown again', next: 'a tidy garden', view })
  await world.leave(p)
}
