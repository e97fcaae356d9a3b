// The same on a phone: one column, everything under the thumb.
import assert from 'node:assert/strict'
import { accessible, fits, targets, watchGrowth } from './checks.mjs'
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
  await page.getByRole('menuitemradio', { name: /^Plans only/ }).tap()
  await page.getByText(/Plans only/).first().waitFor()

  world.note('the other places')
  await page.getByRole('link', { name: 'Back' }).tap()
  await list.waitFor()
  await page.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: 'More' }).tap()
  await view('more')
  await page.getByRole('link', { name: 'Account' }).tap()
  await page.getByRole('heading', { name: 'Language and looks' }).waitFor()
  await view('account')
  await world.leave(bob)

  const ada = await world.seat('ada', phone)
  await ada.page.goto('/')
  await ada.signIn()
  for (const path of ['/admin/users', '/admin/instances', '/admin/server']) {
    await ada.page.goto(path)
    await ada.page.getByRole('listitem').first().waitFor()
    await fits(ada.page, path)
    await targets(ada.page, path)
    await accessible(ada.page, `${path} on a phone`)
  }
  await world.leave(ada)
}
