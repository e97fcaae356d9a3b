// Terminals as people use them: several, found again after a reload, on another
// device and after the server was killed; with the real CLI in one of them.
import assert from 'node:assert/strict'
import { accessible, fits, picture, targets } from './checks.mjs'
import { phone } from './world.mjs'

const away = [/WebSocket connection/, /ERR_CONNECTION_REFUSED/, /ERR_CONNECTION_RESET/, /ERR_EMPTY_RESPONSE/, /ERR_INCOMPLETE_CHUNKED/, /ERR_SOCKET_NOT_CONNECTED/]

const panel = (page) => page.getByRole('tabpanel')
const rows = (page) => panel(page).locator('.xterm-rows')
const input = (page) => panel(page).getByRole('textbox', { name: /^Terminal .*F6 leaves it/ })
const line = (page, text) => rows(page).locator('> div').filter({ hasText: new RegExp(`^\\s*${text}\\s*$`) })

async function run(page, command, answer) {
  await input(page).focus()
  await page.keyboard.type(command)
  await page.keyboard.press('Enter')
  if (answer) await line(page, answer).first().waitFor()
}

async function begin(page, place) {
  await page.getByRole('button', { name: 'New terminal' }).first().click()
  await page.getByRole('menuitem', { name: place }).click()
  await page.waitForURL(/\/terminal\/./)
  await input(page).waitFor()
}

const paste = (page, text) =>
  input(page).evaluate((el, text) => {
    const data = new DataTransfer()
    data.setData('text/plain', text)
    el.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))
  }, text)

/** Each of these lines is on the screen once. */
async function once(page, ...lines) {
  for (const text of lines) {
    await line(page, text).first().waitFor()
    assert.equal(await line(page, text).count(), 1, `${text}: ${await rows(page).innerText()}`)
  }
}

export async function terminalPart(world) {
  const bob = world.person('bob')
  const { page } = bob
  await bob.api('POST', '/projects', { data: { name: 'shell' }, status: 201 })

  world.note('two terminals')
  await page.goto('/terminal')
  await begin(page, 'shell')
  await run(page, 'PS1="> "; clear; pwd; echo one-$((40+2)) 你好', '/home/bob/projects/shell')
  await once(page, 'one-42 你好')
  const first = page.url()
  await begin(page, 'Home folder')
  await run(page, 'echo home-$((1+1))', 'home-2')
  assert.equal(await page.getByRole('tab').count(), 2)
  await accessible(page, 'terminal')
  await fits(page, 'terminal')
  await picture(world, page, 'terminal-desk')

  world.note('after a reload, and on another device, it is there once')
  await page.goto(first)
  await once(page, 'one-42 你好')
  await page.reload()
  await once(page, 'one-42 你好')
  const other = await bob.open(new URL(first).pathname)
  await once(other, 'one-42 你好')
  await run(other, 'echo two-$((1+1))', 'two-2')
  await once(page, 'one-42 你好', 'two-2')

  world.note('the server is killed, and started again')
  await world.excusing([...away, /answer (502|503|404)/], async () => {
    await world.ask('kill')
    await panel(page).getByText('nothing that is typed arrives').waitFor()
    await world.ask('serve')
    await panel(page).getByText('nothing that is typed arrives').waitFor({ state: 'detached', timeout: 60_000 })
    await run(page, 'echo after-$((2+3))', 'after-5')
    await once(page, 'one-42 你好', 'two-2', 'after-5')
    await panel(other).getByText('nothing that is typed arrives').waitFor({ state: 'detached', timeout: 60_000 })
    await once(other, 'one-42 你好', 'two-2', 'after-5')
  })
  await other.close()

  await finds(world, page)

  world.note('several lines are not pasted unasked')
  await run(page, 'clear; echo taken-$((1+1)); cat', 'taken-2') // bash itself takes several lines as one
  await paste(page, 'alpha\nbeta\n')
  const dialog = page.getByRole('dialog', { name: 'Paste several lines?' })
  await dialog.getByText('beta').waitFor()
  await accessible(page, 'paste dialog')
  await dialog.getByRole('button', { name: 'Cancel' }).click()
  assert.equal(await line(page, 'alpha').count(), 0)
  await paste(page, 'alpha\nbeta\n')
  await dialog.getByRole('button', { name: 'Paste' }).click()
  await line(page, 'beta').nth(1).waitFor() // typed, and said again by cat
  await page.keyboard.press('Control+c')

  world.note('what a program wants of the page is asked, or not done')
  await run(page, String.raw`clear; printf '\033]52;c;aGVsbG8gdGhlcmU=\a\033]0;Carrel\342\200\256 nigol\a'`)
  const clip = page.getByRole('dialog', { name: 'Copy this to the clipboard?' })
  await clip.getByText('hello there').waitFor()
  await clip.getByRole('button', { name: 'Leave it' }).click()
  await page.getByText('The program calls itself: Carrel nigol').waitFor()
  await run(page, String.raw`clear; printf '\033]8;;javascript:alert(1)\aharm\033]8;;\a \033]8;;https://example.org/true\afalse.example\033]8;;\a\n'; echo drawn-$((3+4))`, 'drawn-7')
  const at = await rows(page).locator('span', { hasText: 'false.example' }).first().boundingBox()
  await page.mouse.move(at.x + at.width - 30, at.y + at.height / 2)
  await page.mouse.click(at.x + at.width - 30, at.y + at.height / 2)
  const link = page.getByRole('dialog', { name: 'Open this address?' })
  const open = link.getByRole('link', { name: 'Open' })
  assert.deepEqual([await open.getAttribute('href'), await open.getAttribute('rel')], ['https://example.org/true', 'noopener noreferrer'])
  await link.getByRole('button', { name: 'Cancel' }).click()

  world.note('F6 leaves the terminal')
  await input(page).focus()
  await page.keyboard.press('F6')
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('role')), 'tab')

  world.note('Claude itself runs in it, and is found among the sessions')
  await claude(world, bob)

  world.note('closing asks when something runs')
  await run(page, 'clear; sleep 1000')
  await bob.until('sleep', '/terminals', (l) => l.items.some((t) => t.foreground === 'sleep'))
  await page.getByRole('button', { name: 'Terminal menu' }).click()
  await page.getByRole('menuitem', { name: 'Close the terminal' }).click()
  const sure = page.getByRole('dialog', { name: 'Something runs in this terminal' })
  await sure.getByText('sleep').waitFor()
  await sure.getByRole('button', { name: 'Close the terminal' }).click()
  await bob.until('one left', '/terminals', (l) => l.items.length === 1)
  await run(page, 'exit 3')
  await panel(page).getByText('The program has ended with code 3').waitFor()
  await panel(page).getByRole('button', { name: 'Start anew' }).click()
  await run(page, 'echo anew-$((1+2))', 'anew-3')

  await onPhone(world)
}

/** What was printed is found, also above what is seen. */
async function finds(world, page, view = async () => {}) {
  world.note('words are found in what a terminal printed')
  await run(page, 'clear; for i in $(seq 200); do echo row-$i; done; echo printed-$((1+1))', 'printed-2')
  const open = page.getByRole('button', { name: 'Find in the terminal' })
  const touch = page.viewportSize().width < 760
  if (touch) await open.tap()
  else await page.keyboard.press('Control+Shift+f')
  const search = page.getByRole('search')
  const marked = panel(page).locator('.xterm-selection > div').first()
  await search.getByRole('textbox', { name: 'Find in the terminal' }).fill('row-7')
  await search.getByRole('textbox').press('Enter') // 79, the last that begins so
  await line(page, 'row-79').waitFor()
  await search.getByRole('button', { name: 'Before' }).click()
  await marked.waitFor()
  await search.getByRole('textbox').fill('row-12')
  await search.getByRole('button', { name: 'After' }).click()
  await line(page, 'row-120').waitFor()
  await marked.waitFor()
  await accessible(page, 'find in a terminal')
  await fits(page, 'find in a terminal')
  await view('find in a terminal')
  await picture(world, page, `terminal-find-${page.viewportSize().width}`)
  await search.getByRole('textbox').fill('row-999')
  await search.getByRole('textbox').press('Enter')
  await search.getByText('Not found').waitFor()
  await page.keyboard.press('Escape')
  await search.waitFor({ state: 'detached' })
  await page.waitForFunction(() => document.activeElement?.closest('.xterm'))
  if (touch) return
  await open.click()
  await search.getByRole('button', { name: 'Close' }).click()
  await search.waitFor({ state: 'detached' })
}

async function claude(world, bob) {
  const { page } = bob
  await run(page, 'cd ~/projects/shell && clear && claude')
  await rows(page).getByText('❯').first().waitFor({ timeout: 60_000 })
  await picture(world, page, 'terminal-claude-begins')
  await page.keyboard.type('[echo the tide is in]')
  await page.keyboard.press('Enter')
  await rows(page).locator('> div').filter({ hasText: /^\s*[●⏺].*the tide is in/ }).first().waitFor({ timeout: 60_000 })
  await picture(world, page, 'terminal-claude')
  await page.keyboard.type('/exit')
  await page.keyboard.press('Enter')
  await bob.until('the end of claude', '/terminals', (l) => l.items.every((t) => t.foreground === ''))
  await bob.until('its session', '/sessions', (l) => l.items.some((s) => s.project === 'shell'))
  const at = page.url()
  await page.getByRole('link', { name: 'Projects' }).click()
  await page.getByRole('navigation', { name: 'Sessions' }).getByRole('link', { name: /the tide is in/ }).waitFor()
  await page.goto(at)
  await input(page).waitFor()
}

async function onPhone(world) {
  world.note('on a phone')
  const bob = await world.seat('bob', phone)
  const { page } = bob
  await bob.signIn()
  await page.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: 'Terminal' }).tap()
  await input(page).waitFor()
  await line(page, 'anew-3').waitFor()
  await fits(page, 'terminal on a phone')
  await targets(page, 'terminal on a phone')
  await accessible(page, 'terminal on a phone')
  await input(page).focus()
  await page.keyboard.type('sleep 1000')
  await page.keyboard.press('Enter')
  await bob.until('sleep', '/terminals', (l) => l.items.some((t) => t.foreground === 'sleep'))
  const keys = page.getByRole('toolbar', { name: 'Keys' })
  await keys.getByRole('button', { name: 'Ctrl' }).tap()
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'TEXTAREA', 'a key of the bar closed the keyboard')
  await page.keyboard.type('c')
  await bob.until('its end', '/terminals', (l) => l.items.every((t) => t.foreground === ''))
  await keys.getByRole('button', { name: /^Up/ }).tap()
  await rows(page).getByText('sleep 1000').nth(1).waitFor()
  await picture(world, page, 'terminal-phone')
  await finds(world, page, (where) => targets(page, where))
  await world.leave(bob)
}
