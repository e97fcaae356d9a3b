// The same on a phone: one column, everything under the thumb.
import assert from 'node:assert/strict'
import { accessible, fits, targets, watchGrowth } from './checks.mjs'
import { fingers, middle } from './finger.mjs'
import { phone } from './world.mjs'

export async function phonePart(world) {
  const bob = await world.seat('bob', phone)
  const { page } = bob
  const view = async (where) => {
    await fits(page, where)
    await targets(page, where)
  }

  world.note('sign in')
  await page.goto('/')
  await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  await view('sign-in')
  await bob.signIn()

  world.note('the list of sessions is the home page')
  const list = page.getByRole('navigation', { name: 'Sessions' })
  await list.getByRole('link').first().waitFor()
  await view('sessions')
  await accessible(page, 'sessions on a phone')
  await page.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: 'More' }).tap()
  await page.getByRole('link', { name: 'Projects' }).tap()
  await page.getByRole('heading', { name: 'Projects' }).waitFor()
  await view('projects')
  await backCloses(world, page)
  await page.getByRole('button', { name: 'New project' }).tap()
  await view('new project')
  const dialog = page.getByRole('dialog', { name: 'New project' })
  await dialog.getByLabel('Name', { exact: true }).fill('pocket')
  await dialog.getByRole('button', { name: 'Make the project' }).tap()
  await view('new session')
  await page.getByRole('dialog', { name: 'New session' }).getByRole('button', { name: 'Start the session' }).tap()

  world.note('a conversation')
  await bob.composer().waitFor()
  await view('empty conversation')
  const composer = bob.composer()
  assert.ok((await composer.evaluate((el) => parseFloat(getComputedStyle(el).fontSize))) >= 16, 'a smaller input makes the phone zoom')
  const growth = await watchGrowth(page)
  await composer.tap()
  await composer.fill('[markdown] [pace 30ms] [say 60]')
  await composer.press('Enter') // a new line on a phone
  assert.match(await composer.inputValue(), /\n$/)
  await page.getByRole('button', { name: /^Send/ }).tap()
  await growth.more(5)
  await view('running conversation')
  await bob.untilDone()
  await accessible(page, 'conversation on a phone')
  // Header, notice and what stands below take little of the height; the rest is for reading.
  const share = await bob.log().evaluate((el) => el.clientHeight / innerHeight)
  assert.ok(share >= 0.72, `the conversation has ${Math.round(share * 100)} % of the height`)

  world.note('a permission under the thumb')
  await bob.prompt('[write pocket.txt from the pocket]')
  const allow = bob.request().getByRole('button', { name: 'Allow once' })
  await allow.waitFor()
  await view('permission card')
  await accessible(page, 'permission card on a phone')
  const box = await allow.boundingBox()
  assert.ok(box.y > 844 / 2 && box.y + box.height < 844, `the first button is at ${box.y}`)
  await allow.tap()
  await bob.request().waitFor({ state: 'detached' })
  await bob.untilDone()
  assert.match(await bob.file('projects/pocket/pocket.txt'), /from the pocket/)

  world.note('a question under the thumb')
  await bob.prompt('[ask Which way? | Left: by the river | Right: through the wood]')
  await bob.request().getByText('Left').tap()
  await view('question card')
  await bob.request().getByRole('button', { name: 'Answer', exact: true }).tap()
  await bob.untilDone()

  world.note('mode and model are in the menu')
  await page.getByRole('button', { name: 'Session menu' }).tap()
  await page.getByRole('menuitemradio', { name: /^Plans only/ }).waitFor()
  await view('session menu')
  const here = page.url()
  await page.evaluate(() => history.back())
  await page.getByRole('menu').waitFor({ state: 'detached' })
  await page.waitForURL(here)
  await bob.composer().waitFor()
  await page.getByRole('button', { name: 'Session menu' }).tap()
  await page.getByRole('menuitemradio', { name: /^Plans only/ }).tap()
  await page.getByText(/Plans only/).first().waitFor()

  await pullAway(world, bob)
  await page.getByRole('link', { name: 'Back' }).tap()
  await list.waitFor()
  await holdRow(world, bob, list)

  world.note('the other places')
  await page.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: 'More' }).tap()
  await view('more')
  await page.getByRole('link', { name: 'Account' }).tap()
  await page.getByRole('heading', { name: 'Language and looks' }).waitFor()
  await view('account')
  await world.leave(bob)

  const ada = await world.seat('ada', phone)
  await ada.page.goto('/')
  await ada.signIn()
  for (const path of ['/admin/users', '/admin/instances', '/admin/server', '/admin/audit']) {
    await ada.page.goto(path)
    await ada.page.getByRole('listitem').or(ada.page.getByRole('main').getByRole('row')).first().waitFor()
    await fits(ada.page, path)
    await targets(ada.page, path)
    await accessible(ada.page, `${path} on a phone`)
  }
  await world.leave(ada)
}

/** Back closes a dialog, and nothing of that is left in the history. */
async function backCloses(world, page) {
  world.note('Back closes a dialog, and the page under it stays')
  const dialog = page.getByRole('dialog', { name: 'New project' })
  const open = async () => {
    await page.getByRole('button', { name: 'New project' }).tap()
    await dialog.waitFor()
  }
  const entries = await page.evaluate(() => history.length)
  await open()
  await page.evaluate(() => history.back())
  await dialog.waitFor({ state: 'detached' })
  await page.waitForURL('**/projects')
  await open()
  await dialog.getByRole('button', { name: 'Close' }).tap()
  await dialog.waitFor({ state: 'detached' })
  assert.equal(await page.evaluate(() => history.length), entries)
  await page.evaluate(() => history.back())
  await page.waitForURL('**/more')
  await page.evaluate(() => history.forward())
  await page.waitForURL('**/projects')
  await page.getByRole('heading', { name: 'Projects' }).waitFor()
  assert.equal(await dialog.count(), 0)
}

/** Pulls the work away by its head: only when it is meant so. */
async function pullAway(world, { page }) {
  world.note('a sheet is pulled away by its head, and comes back when it is not meant so')
  const finger = await fingers(page)
  const sheet = page.getByRole('dialog', { name: 'Work' })
  const stands = async () => (await sheet.boundingBox()).y
  await page.getByRole('button', { name: 'Session menu' }).tap()
  await page.getByRole('menuitem', { name: 'Tasks' }).tap()
  await sheet.waitFor()
  await sheet.evaluate((el) => Promise.all(el.getAnimations().map((a) => a.finished)))
  const top = await stands()
  const [x, y] = await middle(sheet.getByRole('tab', { name: /^Tasks/ }))
  await finger.down([x, y])
  await finger.through([x, y + 30], [x, y + 80])
  assert.ok(Math.abs((await stands()) - top - 80) <= 1, `the sheet stands at ${await stands()}, ${top} before`)
  await finger.through([x, y + 20])
  await finger.up()
  await page.waitForFunction((top) => document.querySelector('dialog[open]').getBoundingClientRect().y === top, top)
  await finger.down([x, y + 300]) // in what it shows
  await finger.through([x, y + 350], [x, y + 500])
  assert.equal(await stands(), top)
  await finger.up()
  await finger.down([x, y])
  await finger.through([x, y + 30], [x, y + 150], [x, y + 400])
  await finger.up()
  await sheet.waitFor({ state: 'detached' })
  assert.ok(!page.url().includes('work='), page.url())
}

/** A finger that rests on a row opens its menu; one that scrolls or taps does what it always did. */
async function holdRow(world, bob, list) {
  const { page } = bob
  const finger = await fingers(page)
  const menu = page.getByRole('menu')
  const row = list.getByRole('link').first()
  const size = page.viewportSize()
  // A finger rests as long as it takes, and the test does not: the page's time is put forward.
  await page.clock.install()
  const rest = () => page.clock.fastForward(2000)
  const middleOfShown = async (row) => {
    await row.evaluate((el) => el.scrollIntoView({ block: 'center' }))
    return middle(row)
  }

  world.note('a finger that scrolls the list opens no menu and follows no link')
  await page.setViewportSize({ ...size, height: 480 })
  const home = page.url()
  const [x, y] = await middleOfShown(row)
  const was = (await row.boundingBox()).y
  await finger.down([x, y])
  await finger.through([x, y - 8], [x, y - 30], [x, y - 60])
  await page.waitForFunction(([el, was]) => el.getBoundingClientRect().y < was - 20, [await row.elementHandle(), was])
  await rest()
  assert.equal(await menu.count(), 0)
  await finger.up()
  await page.setViewportSize(size)
  assert.equal(page.url(), home)

  world.note('a finger that rests opens the menu of the row, selects nothing and goes nowhere')
  const at = await middleOfShown(row)
  await finger.down(at)
  await rest()
  await menu.waitFor()
  await finger.up()
  await targets(page, 'menu of a session')
  await accessible(page, 'menu of a session')
  assert.equal(page.url(), home)
  assert.equal(await page.evaluate(() => getSelection().toString()), '')
  // A tap beside it takes it away, and is none on what lies there.
  await finger.down([at[0], at[1] - 20])
  await finger.up()
  await menu.waitFor({ state: 'detached' })
  assert.equal(page.url(), home)

  world.note('what is chosen there is done to the row')
  await finger.down(at)
  await rest()
  await menu.waitFor()
  await finger.up()
  await menu.getByRole('menuitem', { name: 'Rename' }).tap()
  await page.getByRole('dialog', { name: 'Rename' }).getByLabel('Title').fill('Held and renamed')
  await page.getByRole('dialog', { name: 'Rename' }).getByRole('button', { name: 'Save' }).tap()
  await list.getByRole('link', { name: /Held and renamed/ }).waitFor()

  world.note('a short tap goes to the conversation')
  await finger.down(await middleOfShown(list.getByRole('link', { name: /Held and renamed/ })))
  await finger.up()
  await bob.composer().waitFor()
  await page.goBack()
  await list.waitFor()
}
