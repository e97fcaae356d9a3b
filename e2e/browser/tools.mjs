// What Claude does with tools, and what a person says to it.
import assert from 'node:assert/strict'
import { accessible, fits, watchGrowth } from './checks.mjs'

export async function toolsPart(world) {
  const bob = world.person('bob')
  const { page } = bob
  await bob.startProject('tools')
  const session = page.url().split('/').at(-1)
  const done = (tool) => bob.log().getByRole('button', { name: new RegExp(`^Done ${tool}`) })

  world.note('a file is written when it is allowed')
  await bob.prompt('[write notes/plan.md # Plan\\n\\n- water the plants\\n- return the books]')
  const card = bob.request()
  await card.getByRole('heading', { name: 'Write a file?' }).waitFor()
  await card.getByText('water the plants').waitFor()
  await card.getByText('notes/plan.md').first().waitFor()
  await accessible(page, 'permission card')
  await fits(page, 'permission card')
  await bob.noFile('projects/tools/notes/plan.md')
  await card.getByRole('button', { name: 'Allow once' }).click()
  await card.waitFor({ state: 'detached' })
  await done('Write').waitFor()
  await bob.untilDone()
  assert.match(await bob.file('projects/tools/notes/plan.md'), /water the plants/)

  world.note('an edit is shown as a difference')
  await bob.prompt('[edit notes/plan.md water => feed]')
  await card.getByRole('heading', { name: 'Edit a file?' }).waitFor()
  const difference = card.getByRole('group', { name: 'Difference: 1 line added, 1 removed' })
  await difference.getByRole('row', { name: '+ feed' }).waitFor()
  await difference.getByRole('row', { name: '− water' }).waitFor()
  await card.getByRole('button', { name: 'Allow once' }).click()
  await done('Edit').waitFor()
  await bob.log().getByRole('row', { name: /\+ - feed the plants/ }).waitFor()
  await bob.untilDone()
  assert.match(await bob.file('projects/tools/notes/plan.md'), /feed the plants/)
  await page.getByRole('complementary', { name: 'Work' }).getByText('plan.md').waitFor()

  world.note('a command is denied with a word')
  await bob.prompt('[bash rm -r notes]')
  await card.getByRole('heading', { name: 'Run a command?' }).waitFor()
  await card.getByText('rm -r notes', { exact: true }).waitFor()
  await card.getByRole('button', { name: 'Deny…' }).click()
  await card.getByLabel('What should Claude do instead?').fill('Keep the notes, they are needed')
  await card.getByRole('button', { name: 'Deny', exact: true }).click()
  await bob.log().getByRole('button', { name: /^Denied Run/ }).waitFor()
  await bob.untilDone()
  await bob.log().getByText(/Keep the notes, they are needed/).first().waitFor()
  await bob.file('projects/tools/notes/plan.md')

  world.note('a question is answered')
  await bob.prompt('[ask Which colour? | Red: as a brick | Green: as a lamp]')
  await card.getByRole('radio', { name: /Green/ }).check()
  await accessible(page, 'question card')
  await card.getByRole('button', { name: 'Answer', exact: true }).click()
  await card.waitFor({ state: 'detached' })
  await bob.untilDone()
  await bob.log().getByText(/Done\. .*Green/).waitFor()

  await inMidAnswer(world, bob, session)
  await modeAndModel(world, bob, session)
  await reloadAndTwoTabs(world, bob, session)
}

async function inMidAnswer(world, bob) {
  world.note('an answer is stopped in the middle')
  const growth = await watchGrowth(bob.page)
  await bob.prompt('[pace 20ms] [say 3000]')
  await growth.more(8)
  await bob.page.getByRole('button', { name: 'Stop', exact: true }).click()
  await bob.log().getByText('Stopped', { exact: true }).waitFor()
  await bob.untilDone()
  const before = await bob.log().textContent()
  await bob.turn('[echo still here]', 'still here')
  assert.ok((await bob.log().textContent()).startsWith(before), 'the text of the stopped answer changed afterwards')
}

async function modeAndModel(world, bob, session) {
  world.note('mode and model are changed')
  const { page } = bob
  await page.getByRole('button', { name: /^Mode:/ }).click()
  await page.getByRole('menuitemradio', { name: /^Accepts edits/ }).click()
  await page.getByRole('button', { name: 'Mode: Accepts edits' }).waitFor()
  await bob.until('the new mode', `/sessions/${session}`, (s) => s.permission_mode === 'acceptEdits')
  await bob.prompt('[write free.txt nobody was asked]')
  await bob.log().getByRole('button', { name: /^Done Write.*free\.txt/ }).waitFor()
  await bob.untilDone()
  assert.match(await bob.file('projects/tools/free.txt'), /nobody was asked/)

  await page.getByRole('button', { name: /^Model:/ }).click()
  await page.getByRole('menuitemradio', { name: /^Haiku/ }).click()
  await page.getByRole('button', { name: /^Model: Haiku/ }).waitFor()
  await bob.until('the new model', `/sessions/${session}`, (s) => s.model.includes('haiku'))
  await bob.turn('[echo in another model]', 'in another model')
  const events = await bob.api('GET', `/sessions/${session}/events?after=0&limit=5000`)
  const last = events.items.map((e) => e.event).filter((e) => e.type === 'assistant').at(-1)
  assert.match(last.message.model, /haiku/)
}

async function reloadAndTwoTabs(world, bob, session) {
  world.note('an open request survives a reload, in both tabs')
  const { page } = bob
  await page.getByRole('button', { name: /^Mode:/ }).click()
  await page.getByRole('menuitemradio', { name: /^Asks first/ }).click()
  await page.getByRole('button', { name: 'Mode: Asks first' }).waitFor()
  await bob.prompt('[bash touch when.txt]')
  await bob.request().getByText('touch when.txt', { exact: true }).waitFor()
  await page.reload()
  await bob.request().getByText('touch when.txt', { exact: true }).waitFor()
  const other = await bob.open(`/s/${session}`)
  await bob.request(other).getByText('touch when.txt', { exact: true }).waitFor()
  await page.getByRole('link', { name: /Waiting for you/ }).first().waitFor()
  await bob.request(other).getByRole('button', { name: 'Allow once' }).click()
  await bob.request(page).waitFor({ state: 'detached' })
  await bob.untilDone(page)
  await bob.untilDone(other)
  await bob.file('projects/tools/when.txt')

  world.note('two tabs show the same, also while it is written')
  const growth = await watchGrowth(page)
  await bob.turn('[pace 20ms] [say 120] [echo the end of it]', 'the end of it', other)
  await bob.answer('the end of it').waitFor()
  await bob.untilDone(page)
  assert.ok((await growth.seen()).length >= 5, 'the other tab did not see it grow')
  const [one, two] = await Promise.all([page, other].map((p) => bob.log(p).textContent()))
  assert.equal(one, two)
  await other.close()
}
