// Two people make accounts, projects and sessions, and talk at the same time.
import assert from 'node:assert/strict'
import { accessible, fits, picture, watchGrowth } from './checks.mjs'
import { passwordOf } from './person.mjs'

export async function twoPeoplePart(world) {
  world.note('the first administrator, with the printed code')
  const ada = await world.seat('ada')
  await ada.excusing([/\/api\/v1\/me/], async () => {
    await ada.page.goto('/')
    await ada.page.getByRole('heading', { name: 'Make the first administrator' }).waitFor()
    await accessible(ada.page, 'set-up')
    await fits(ada.page, 'set-up')
    await picture(world, ada.page, 'set-up-desk-light-en')
    await ada.setUp(world.code)
  })

  world.note('nobody can miss that a scripted model answers')
  const notice = ada.page.getByRole('note').filter({ visible: true })
  await notice.getByText('No real model answers here').waitFor()
  const size = await notice.getByText('No real model answers here').evaluate((el) => parseFloat(getComputedStyle(el).fontSize))
  assert.ok(size >= 17, `the notice is written in ${size} px`)
  await notice.getByText('CARREL_GATEWAY_API_KEY').waitFor()

  world.note('a second person is added under Users')
  await ada.page.getByRole('link', { name: 'Users' }).click()
  await ada.page.getByRole('button', { name: 'Add a user' }).click()
  const dialog = ada.page.getByRole('dialog', { name: 'Add a user' })
  await dialog.getByLabel('User name').fill('bob')
  await dialog.getByLabel('First password').fill(passwordOf('bob'))
  await dialog.getByRole('button', { name: 'Add a user' }).click()
  await ada.page.getByRole('row').filter({ hasText: 'bob' }).waitFor()

  world.note('both work at the same time')
  const bob = await world.seat('bob')
  await bob.excusing([/\/api\/v1\/me/], () => bob.signIn())
  const told = ada.told.length // what she was told of him as the administrator came before
  const [adas, bobs] = await Promise.all([ada, bob].map((p) => talk(world, p)))

  world.note('each answer grew while the other did')
  for (const [p, { growth }] of [[ada, adas], [bob, bobs]]) {
    assert.ok(growth.length >= 5, `${p.name} saw the answer at ${growth.length} lengths: ${JSON.stringify(growth)}`)
  }
  const [from, until] = [Math.max(adas.growth[0].at, bobs.growth[0].at), Math.min(adas.growth.at(-1).at, bobs.growth.at(-1).at)]
  assert.ok(from < until, `the two answers did not stream at the same time: ${JSON.stringify([adas.growth, bobs.growth])}`)

  world.note('each sees only what is theirs')
  for (const [me, mine, other, theirs, seen] of [[bob, bobs, ada, adas, bob.told], [ada, adas, bob, bobs, ada.told.slice(told)]]) {
    const dom = await me.page.evaluate(() => document.documentElement.outerHTML + document.title)
    for (const [what, text] of Object.entries({ name: other.name, session: theirs.session, words: theirs.secret, project: theirs.project })) {
      const pattern = new RegExp(`\\b${text}\\b`, 'i')
      assert.ok(!pattern.test(dom), `${me.name}'s page shows the other's ${what}`)
      const leak = seen.find((t) => pattern.test(t))
      assert.ok(!leak, `${me.name}'s browser was told the other's ${what}: ${leak?.slice(0, 400)}`)
    }
    // The search would have found it.
    assert.ok(seen.some((t) => t.includes(mine.secret)), `${me.name}'s own words were not seen in the frames`)
    await me.excusing([/404/], async () => {
      await me.page.goto(`/s/${theirs.session}`)
      await me.page.getByText('There is no such session').waitFor()
      await me.page.goto(`/s/${mine.session}`)
      await me.log().getByText(mine.secret).first().waitFor()
    })
  }
}

/** One person's first project, session and answers. */
async function talk(world, p) {
  const project = `${p.name}s-desk`
  const secret = `${p.name}secret`
  await p.page.goto('/')
  await p.page.getByRole('button', { name: /^New session/ }).first().click()
  await p.page.getByRole('dialog', { name: 'New session' }).getByRole('link', { name: 'New project' }).click()
  const dialog = p.page.getByRole('dialog', { name: 'New project' })
  await dialog.getByLabel('Name', { exact: true }).fill(project)
  await dialog.getByRole('button', { name: 'Make the project' }).click()
  await p.page.getByRole('dialog', { name: 'New session' }).getByRole('button', { name: 'Start the session' }).click()
  await p.page.waitForURL(/\/s\/[0-9a-f-]{36}$/)
  const session = p.page.url().split('/').at(-1)

  const watch = await watchGrowth(p.page)
  await p.turn(`[echo ${secret}] [pace 40ms] [say 90] [echo that was all]`, 'that was all')
  await p.answer(secret).waitFor()
  const growth = await watch.seen()

  await p.turn('[markdown]', 'Footnotes')
  const log = p.log()
  await log.getByRole('heading', { name: 'A carrel, in markdown' }).waitFor()
  await log.getByRole('table').getByRole('row', { name: /lamp/ }).waitFor()
  await log.getByRole('link', { name: 'the manual' }).waitFor()
  await log.getByRole('listitem').filter({ hasText: 'light the lamp' }).getByRole('checkbox', { checked: true }).waitFor()
  const code = log.locator('pre').filter({ hasText: 'func (l *Library) Desk' })
  await code.waitFor()
  // Highlighted: its words are drawn in more than one colour.
  await p.page.waitForFunction((el) => new Set([...el.querySelectorAll('span')].map((s) => getComputedStyle(s).color)).size > 2, await code.elementHandle())
  return { project, session, secret, growth }
}
