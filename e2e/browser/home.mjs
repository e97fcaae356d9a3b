// The home page: first steps, what waits and is answered there, what runs, what has finished.
import assert from 'node:assert/strict'
import { accessible, fits, picture, targets } from './checks.mjs'
import { phone, together } from './world.mjs'

/** Two at a time, each in their language. */
export async function homePart(world) {
  await together([['cy', 'en'], ['mei', 'zh-CN']].map(async ([name, locale]) => {
    const p = await world.newcomer(name, { locale })
    await firstSteps(world, p)
    await answered(world, p)
    await finished(world, p)
    await onThePhone(world, p)
    await world.leave(p)
  }))
}

async function firstSteps(world, cy) {
  world.note('a sample project to try')
  const { page } = cy
  await page.getByRole('button', { name: 'Try the sample project' }).click()
  await cy.composer().waitFor()
  assert.match(await cy.composer().inputValue(), /hello\.py/)
  assert.match(await cy.file('projects/sample/hello.py'), /print/)
  await home(page)
  await page.getByRole('region', { name: 'Recent projects' }).getByRole('link', { name: /sample/ }).waitFor()
  await page.getByRole('region', { name: 'Use' }).getByText('Storage').waitFor()
}

const home = (page) => page.getByRole('link', { name: 'Carrel', exact: true }).first().click()

async function answered(world, cy) {
  world.note('what waits is answered at home')
  const { page } = cy
  await begin(cy, 'a slow one', '[pace 50ms] [say 4000]')
  await begin(cy, 'a note', '[write note.txt from home]')
  const main = page.getByRole('main')
  await main.getByRole('region', { name: 'Running' }).getByRole('link', { name: /a slow one/ }).waitFor()
  const card = main.getByRole('region', { name: 'Waiting for you' }).getByRole('region', { name: 'Claude asks' })
  await card.getByRole('button', { name: 'Allow once' }).waitFor()
  await accessible(page, 'home')
  await fits(page, 'home')
  await picture(world, page, 'home-waiting')
  await page.keyboard.press('a') // in a conversation it would allow; here it is not told which
  await page.keyboard.press('n')
  await page.getByRole('dialog', { name: 'New session' }).waitFor()
  await page.keyboard.press('Escape')
  await card.getByRole('button', { name: 'Allow once' }).click()
  await card.waitFor({ state: 'detached' })
  await main.getByRole('region', { name: 'Finished since you looked' }).getByRole('link', { name: /a note/ }).waitFor()
  assert.equal(await cy.file('projects/sample/note.txt'), 'from home')
}

async function finished(world, cy) {
  world.note('what has finished is news until it is looked at')
  const { page } = cy
  const news = page.getByRole('main').getByRole('region', { name: 'Finished since you looked' })
  await page.reload()
  await news.getByRole('link', { name: /a note/ }).click()
  await cy.composer().waitFor()
  await home(page)
  await page.getByRole('main').getByRole('region', { name: 'Running' }).waitFor()
  await news.waitFor({ state: 'detached' })
  const slow = (await cy.api('GET', '/sessions')).items.find((s) => s.title === 'a slow one')
  await cy.api('POST', `/sessions/${slow.id}/interrupt`, { status: 204 })
  await news.getByRole('link', { name: /a slow one/ }).waitFor()
  await news.getByRole('button', { name: 'All seen' }).click()
  await page.getByText('Nothing runs, and nothing waits for you.').waitFor()
  await picture(world, page, 'home-calm')
}

async function onThePhone(world, cy) {
  world.note('on a phone')
  await begin(cy, 'from the phone', '[bash touch from-the-phone]')
  const other = await world.seat(cy.name, phone, { locale: cy.language })
  await other.signIn()
  const { page } = other
  const allow = page.getByRole('region', { name: 'Claude asks' }).getByRole('button', { name: 'Allow once' })
  await allow.waitFor()
  await fits(page, 'home on a phone')
  await targets(page, 'home on a phone')
  await accessible(page, 'home on a phone')
  await picture(world, page, 'home-phone')
  await allow.tap()
  const sessions = page.getByRole('navigation', { name: 'Sessions' })
  const news = cy.page.getByRole('main').getByRole('region', { name: 'Finished since you looked' })
  await sessions.getByRole('link', { name: fresh(cy, 'from the phone') }).waitFor()
  await news.getByRole('link', { name: /from the phone/ }).waitFor()
  await sessions.getByRole('link', { name: /a note/ }).waitFor()
  assert.equal(await sessions.getByRole('link', { name: fresh(cy, 'a note') }).count(), 0, 'what was looked at on the desk is no news on the phone')
  await sessions.getByRole('link', { name: /from the phone/ }).tap()
  await other.composer().waitFor()
  await news.waitFor({ state: 'detached' })
  await world.leave(other)
}

/** How a session is named whose news nobody has seen. */
const fresh = (p, title) => new RegExp(`${title}.*${p.words('(new)')}`)

async function begin(cy, title, content) {
  const { id } = await cy.api('POST', '/sessions', { data: { project: 'sample', title }, status: 201 })
  await cy.api('POST', `/sessions/${id}/prompts`, { data: { id: `${id}-1`, content }, status: 202 })
}
