// A person's day, in Chinese: invited by an administrator, at work on a phone,
// then at a desk, then signed out of both.
import assert from 'node:assert/strict'
import { accessible, fits, noEnglish, picture, targets, watchGrowth } from './checks.mjs'
import { passwordOf } from './person.mjs'
import { phone } from './world.mjs'

const name = 'dora'
const project = 'tides'
const inChinese = { locale: 'zh-CN' }

export async function dayPart(world) {
  const link = await invited(world, world.person('ada'))
  const pocket = await world.seat(name, phone, inChinese)
  await registers(world, pocket, link)
  const session = await asks(world, pocket)
  await pocket.page.evaluate(() => (window.sameAllDay = true)) // a reload would forget it
  const desk = await world.seat(name, undefined, inChinese)
  await sitsDown(world, desk, session)
  await writes(world, desk)
  await runs(world, desk)
  await both(world, desk, pocket, session)
  await searches(world, desk, session)
  await leaves(world, desk, pocket, session)
}

async function invited(world, ada) {
  world.note('an administrator makes an invitation')
  const { page } = ada
  await page.goto('/admin/users')
  await page.getByRole('button', { name: 'Invite', exact: true }).click()
  const dialog = page.getByRole('dialog', { name: 'Invite' })
  await dialog.getByRole('button', { name: 'Make the invitation' }).click()
  await accessible(page, 'an invitation')
  await fits(page, 'an invitation')
  const link = await dialog.locator('code').filter({ hasText: '/register?invitation=' }).innerText()
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
  return link
}

async function registers(world, pocket, link) {
  world.note('its link is opened on a phone')
  const { page } = pocket
  await page.goto(link)
  await page.getByRole('heading', { name: 'Make an account' }).waitFor()
  await page.getByLabel('User name').fill(name)
  await page.getByLabel('E-mail').fill(`${name}@example.org`)
  await page.getByLabel('Password').fill(passwordOf(name))
  await whole(pocket, 'registration on a phone')
  await picture(world, page, 'day-1-registers')
  await page.getByRole('button', { name: 'Make the account' }).tap()
  await page.getByRole('navigation', { name: 'Places' }).waitFor()
  pocket.signedIn = true
}

async function asks(world, pocket) {
  world.note('a project is made, a change asked for and approved, all by thumb')
  const { page } = pocket
  await page.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: 'More' }).tap()
  await page.getByRole('main').getByRole('link', { name: 'Projects' }).tap()
  await page.getByRole('button', { name: 'New project' }).first().tap()
  await page.getByRole('dialog', { name: 'New project' }).getByLabel('Name', { exact: true }).fill(project)
  await page.getByRole('button', { name: 'Make the project' }).tap()
  await page.getByRole('dialog', { name: 'New session' }).getByRole('button', { name: 'Start the session' }).tap()
  await page.waitForURL(/\/s\/[0-9a-f-]{36}$/)
  await pocket.composer().fill('[echo The heron stands at the weir.] [write tide.sh echo low tide] [edit tide.sh low => high]')
  await page.getByRole('button', { name: /^Send/ }).tap()
  const card = pocket.request()
  await card.getByRole('heading', { name: 'Write a file?' }).waitFor()
  await picture(world, page, 'day-2-asked')
  await card.getByRole('button', { name: 'Allow once' }).tap()
  await card.getByRole('heading', { name: 'Edit a file?' }).waitFor()
  await card.getByRole('row', { name: /^\+ .*high tide/ }).or(card.getByRole('row', { name: '+ high' })).waitFor()
  await whole(pocket, 'an edit on a phone')
  await card.getByRole('button', { name: 'Allow once' }).tap()
  await card.waitFor({ state: 'detached' })
  await pocket.untilDone()
  assert.match(await pocket.file(`projects/${project}/tide.sh`), /^echo high tide/)
  return page.url().split('/').at(-1)
}

async function sitsDown(world, desk, session) {
  world.note('at a desk the change is there, and a command is allowed by key')
  const { page } = desk
  await desk.signIn()
  await page.getByRole('navigation', { name: 'Sessions' }).locator(`a[href="/s/${session}"]`).click()
  const log = desk.log()
  await log.getByRole('row', { name: /\+ echo high tide/ }).waitFor()
  await log.getByRole('row', { name: /− echo low tide/ }).waitFor()
  await fits(page, 'the change at a desk')
  await accessible(page, 'the change at a desk')
  await picture(world, page, 'day-3-desk')
  await desk.prompt('[bash sh tide.sh]')
  await desk.request().getByRole('heading', { name: 'Run a command?' }).waitFor()
  await page.keyboard.press('Escape') // from the composer to the request
  await page.keyboard.press('a')
  await desk.request().waitFor({ state: 'detached' })
  await log.getByRole('button', { name: done(desk) }).waitFor()
  await desk.untilDone()
}

async function writes(world, desk) {
  world.note('the file is edited by hand')
  const { page } = desk
  await page.getByRole('navigation', { name: 'Sessions' }).getByRole('link', { name: 'Files', exact: true }).click()
  for (const step of ['projects', project, 'tide.sh']) {
    await page.getByRole('main').getByRole('list', { name: 'Files' }).getByRole('link', { name: new RegExp(`^${step}`) }).click()
  }
  await page.getByRole('textbox', { name: 'Text of tide.sh' }).click()
  await page.keyboard.press('ControlOrMeta+End')
  await page.keyboard.press('Enter')
  await page.keyboard.type('echo then $((20+22)) geese\n')
  await page.keyboard.press('ControlOrMeta+s')
  await page.getByText(/^Saved/).waitFor()
  assert.match(await desk.file(`projects/${project}/tide.sh`), /^echo high tide\n+echo then \$\(\(20\+22\)\) geese\n/)
  await fits(page, 'the editor at a desk')
  await picture(world, page, 'day-4-editor')
}

async function runs(world, desk) {
  world.note('and run in a terminal')
  const { page } = desk
  await page.getByRole('navigation', { name: 'Sessions' }).getByRole('link', { name: 'Terminal', exact: true }).click()
  await page.getByRole('button', { name: 'New terminal' }).first().click()
  await page.getByRole('menuitem', { name: project }).click()
  const panel = page.getByRole('tabpanel')
  await panel.getByRole('textbox', { name: /^Terminal / }).focus()
  await page.keyboard.type('sh tide.sh')
  await page.keyboard.press('Enter')
  await panel.locator('.xterm-rows > div').filter({ hasText: /^\s*then 42 geese\s*$/ }).waitFor()
  await picture(world, page, 'day-5-terminal')
}

async function both(world, desk, pocket, session) {
  world.note('what is asked at the desk is seen on the phone to its end')
  await desk.page.getByRole('navigation', { name: 'Sessions' }).locator(`a[href="/s/${session}"]`).click()
  const growth = await watchGrowth(pocket.page)
  await desk.turn('[pace 10ms] [say 500] [echo The geese have gone.]', 'The geese have gone.')
  await pocket.answer('The geese have gone.').waitFor()
  await pocket.untilDone()
  assert.ok((await growth.seen()).length >= 5, 'the phone did not see it grow')
  assert.equal(await pocket.log().getByRole('button', { name: done(pocket) }).count(), 1)
  assert.equal(await pocket.page.evaluate(() => window.sameAllDay), true, 'the phone was loaded anew')
  await whole(pocket, 'the end on a phone')
  await picture(world, pocket.page, 'day-6-phone')
}

async function searches(world, desk, session) {
  world.note('a word of the conversation is found, and where it was said')
  const { page } = desk
  await page.goto('/search')
  await page.getByRole('searchbox', { name: 'Words in your conversations' }).fill('heron')
  await page.keyboard.press('Enter')
  const hits = page.getByRole('main').getByRole('listitem').getByRole('link')
  await hits.filter({ hasText: 'heron' }).first().waitFor()
  await fits(page, 'search')
  await accessible(page, 'search')
  await picture(world, page, 'day-7-search')
  await hits.filter({ hasText: new RegExp(`· ${desk.words('Answer')}$`) }).first().click()
  await page.waitForURL((url) => url.pathname === `/s/${session}` && url.searchParams.has('at'))
  await desk.answer('The heron stands').waitFor()
  // It stands in the part that is seen, and the end, where a conversation opens, does not.
  await page.waitForFunction(() => {
    const log = document.querySelector('[role=log]')
    const seen = log.getBoundingClientRect()
    const boxOf = (text) => [...log.querySelectorAll('.prose')].find((p) => p.textContent.includes(text))?.getBoundingClientRect()
    const heron = boxOf('The heron stands')
    const geese = boxOf('The geese have gone')
    return heron && heron.top >= seen.top && heron.bottom <= seen.bottom && geese?.bottom > seen.bottom
  })
  await picture(world, page, 'day-8-found')
}

async function leaves(world, desk, pocket, session) {
  world.note('signed out on both')
  // A list may just be asked for anew when the sign-in ends.
  await world.excusing([/401.*\/api\/v1\/\w+\?limit=/], async () => {
    await desk.page.getByRole('button', { name, exact: true }).click()
    desk.signedIn = false
    await desk.page.getByRole('menuitem', { name: 'Sign out' }).click()
    await desk.page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await pocket.page.getByRole('link', { name: 'Back' }).tap()
    await pocket.page.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: 'More' }).tap()
    pocket.signedIn = false
    await pocket.page.getByRole('button', { name: 'Sign out' }).tap()
    await pocket.page.getByRole('heading', { name: 'Sign in' }).waitFor()
  })
  for (const p of [desk, pocket]) {
    const left = await p.page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }) + document.body.innerText)
    assert.doesNotMatch(left, /heron|geese/, 'the words stay behind')
    await p.page.goto(`/s/${session}`)
    await p.page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await world.leave(p)
  }
}

/** The card of a command that has ended. */
const done = (p) => new RegExp(`^${p.words('Done')} ${p.words('Run')}`)

/** On a phone a view fits, is large enough for thumbs, can be read by a machine, and is all in Chinese. */
async function whole({ page }, where) {
  await noEnglish(page, where, ['[echo The heron stands at the weir.] [write tide.sh echo…', 'tide.sh', project, name])
  await fits(page, where)
  await targets(page, where)
  await accessible(page, where)
}
