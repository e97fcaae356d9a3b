// The administrator's views show what is, and change it.
import assert from 'node:assert/strict'
import { accessible, fits } from './checks.mjs'
import { together } from './world.mjs'

/** Two at a time, each in their language, and each of another person. */
export async function administratorPart(world) {
  const zhou = await world.newcomer('zhou', { locale: 'zh-CN', role: 'admin' })
  const qi = await world.newcomer('qi', { locale: 'zh-CN' })
  await qi.startProject('tools')
  await qi.turn('[echo at work]', 'at work')
  await together([[world.person('ada'), world.person('bob')], [zhou, qi]].map((two) => administers(world, ...two)))
  await world.leave(zhou)
  await world.leave(qi)
}

async function administers(world, ada, bob) {
  const { page } = ada
  const { id } = await bob.api('GET', '/me')

  // The part before makes it; without that part this one runs all the same.
  const { items: projects } = await bob.api('GET', '/projects')
  if (!projects.some((p) => p.name === 'tools')) await bob.api('POST', '/projects', { data: { name: 'tools' }, status: 201 })

  world.note('for others these views are not there, and the frame around them is')
  await bob.excusing([/403/], async () => {
    await bob.page.goto('/admin/users')
    await bob.page.getByRole('main').getByText('There is nothing here').waitFor()
  })
  await bob.page.getByRole('navigation', { name: 'Sessions' }).waitFor()

  world.note('users are listed with what they have used, a limit is changed and counts')
  await ada.until('use of what bob has said so far', `/users/${id}`, (u) => u.usage.tokens_today > 0)
  await page.goto('/admin/users')
  const line = page.getByRole('row').filter({ hasText: bob.name })
  await line.waitFor()
  await accessible(page, 'users')
  await fits(page, 'users')
  const before = (await ada.api('GET', `/users/${id}`)).quota
  await bob.page.goto('/account')
  await line.getByRole('button', { name: 'Edit' }).click()
  const dialog = page.getByRole('dialog', { name: bob.name })
  await accessible(page, 'edit a user')
  await dialog.getByLabel('Live sessions').fill('7')
  await dialog.getByLabel('CPU').fill('1.5')
  await dialog.getByLabel('Tokens a month').fill('5000000')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await dialog.waitFor({ state: 'detached' })
  await line.getByText(/7 live sessions/).waitFor()
  await line.getByText(/^[1-9][\d.]*\s?[K万]? of (5M|500\s?万)$/).waitFor() // this month
  await line.getByText(/^[1-9][\d.]*\s?[K万]?$/).waitFor() // today, without a limit
  const after = await ada.until('the new limit', `/users/${id}`, (u) => u.quota.live_sessions === 7)
  assert.deepEqual(after.quota, { ...before, live_sessions: 7, cpu: 1.5, tokens_per_month: 5_000_000 }, 'the other limits stay')
  await bob.page.reload()
  await bob.page.getByText('1.5 cores').waitFor()
  await line.getByRole('button', { name: 'Edit' }).click()
  await ada.excusing([/422|400/], async () => {
    await dialog.getByLabel('CPU').fill('none')
    await dialog.getByRole('button', { name: 'Save' }).click()
    await dialog.getByRole('textbox', { name: 'CPU' }).and(page.locator('[aria-invalid=true]')).waitFor()
  })
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })

  await invitations(world, ada, bob)

  world.note('instances show live data')
  await bob.startSession('tools')
  await page.goto('/admin/instances')
  const card = page.getByRole('listitem').filter({ has: page.getByRole('button', { name: `Menu of ${bob.name}’s instance` }) })
  await card.waitFor()
  await card.getByRole('img', { name: /^CPU, in cores over the last hour: now .*, least .*, most .*/ }).waitFor()
  await accessible(page, 'instances')
  await fits(page, 'instances')
  await card.getByText(/[1-9][\d.,]* MiB of 2 GiB/).waitFor()
  await card.getByText(/[1-9]\d* of 512/).waitFor()

  await card.getByRole('button', { name: `${bob.name}’s figures over time` }).click()
  await measured(card.getByRole('slider', { name: 'Memory' }))
  await accessible(page, 'figures of an instance')
  await fits(page, 'figures of an instance')
  await card.getByRole('button', { name: `${bob.name}’s figures over time` }).click()

  world.note('the server shows how it is, and figures over time')
  await page.goto('/admin/server')
  await page.getByRole('listitem').filter({ hasText: 'Database' }).waitFor()
  assert.equal((await ada.api('GET', '/server')).status, 'ok')
  const memory = page.getByRole('slider', { name: 'Memory in use' })
  await measured(memory)
  await memory.focus()
  await page.keyboard.press('End')
  await page.keyboard.press('ArrowLeft')
  await page.locator('figcaption', { hasText: 'Memory in use' }).getByText(/[1-9][\d.,]* [GM]iB at \d/).waitFor()
  await accessible(page, 'server')
  await fits(page, 'server')
  await page.getByText('12 hours').click()
  await measured(memory)
  await page.goto('/admin/instances')
  await card.waitFor()

  world.note('an instance is restarted')
  const instance = await ada.api('GET', `/instances/${id}`)
  await act(ada, bob, 'Restart the instance')
  const restarted = await ada.until('another instance', `/instances/${id}`, (i) => i.id !== instance.id || i.created_at !== instance.created_at)
  assert.equal(restarted.status, 'active')
  await bob.turn('[echo after the restart]', 'after the restart')
  await card.getByRole('button', { name: '1 process', exact: true }).click() // nobody reloads
  await card.getByRole('cell', { name: 'Claude', exact: true }).waitFor()
  await bob.startSession('tools')
  await card.getByRole('button', { name: '2 processes' }).waitFor()
  assert.equal(await card.getByRole('cell', { name: 'Claude', exact: true }).count(), 2)

  world.note('an instance is destroyed')
  await act(ada, bob, 'Destroy the instance')
  await card.waitFor({ state: 'detached' })
  await ada.api('GET', `/instances/${id}`, { status: 404 })
  await bob.turn('[echo after the end]', 'after the end')
  await ada.api('PUT', `/users/${id}/quota`, { data: before })
}

/** One is made, listed and taken back; the record tells of it. */
async function invitations(world, ada, bob) {
  world.note('an invitation is taken back, and serves no more')
  const { page } = ada
  await page.getByRole('link', { name: 'Invitations' }).click()
  await page.getByRole('heading', { name: 'Invitations', level: 1 }).waitFor() // the page before has such a button too
  await page.getByRole('button', { name: 'Invite', exact: true }).click()
  const dialog = page.getByRole('dialog', { name: 'Invite' })
  await dialog.getByRole('button', { name: 'Make the invitation' }).click()
  const link = await dialog.locator('code').innerText()
  await page.keyboard.press('Escape')
  const line = page.getByRole('listitem').filter({ hasText: 'Invited by you' })
  await line.getByText(/^Open until /).waitFor()
  await accessible(page, 'invitations')
  await fits(page, 'invitations')
  // A password that is too short makes no account; which field is at fault tells whether the invitation serves.
  const fault = async () => {
    const data = { username: 'mallory', email: 'mallory@example.org', password: 'short', invitation: new URL(link).searchParams.get('invitation') }
    return (await ada.api('POST', '/auth/register', { data, status: 400 })).errors.map((e) => e.location)
  }
  assert.deepEqual(await fault(), ['body.password'])
  await line.getByRole('button', { name: /^Take back the invitation of / }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Take back' }).click()
  await line.waitFor({ state: 'detached' })
  assert.deepEqual(await fault(), ['body.invitation'])

  world.note('the record tells who did it')
  await page.getByRole('link', { name: 'Audit record' }).click()
  const entry = page.getByRole('main').getByRole('listitem').filter({ has: page.getByRole('button', { name: new RegExp(`^${ada.name} ${ada.words('Took an invitation back')}`) }) })
  await entry.getByRole('button').click()
  await accessible(page, 'audit record')
  await fits(page, 'audit record')
  await entry.getByRole('link', { name: /^Only what was done to inv_.*$/ }).click()
  await page.waitForFunction(() => document.querySelectorAll('main li').length === 2) // of all that was done
  await page.getByText(new RegExp(`^${ada.words('Made an invitation')}[:：] ?${ada.words('User')}$`)).waitFor()
  await page.getByLabel('By', { exact: true }).selectOption(bob.name)
  await page.getByText('Nothing matches').waitFor()
  await page.getByLabel('By', { exact: true }).selectOption('0')
  await page.waitForURL(/[?&]by=0(&|$)/)
  await page.getByRole('button', { name: 'Show everything' }).click()
  await entry.waitFor()
}

/** A chart has figures once it says what is least and most. */
async function measured(chart) {
  await chart.and(chart.page().locator('[aria-valuetext*=" · "]')).waitFor()
}

async function act({ page }, { name }, what) {
  await page.getByRole('button', { name: `Menu of ${name}’s instance` }).click()
  await page.getByRole('menuitem', { name: what }).click()
  const confirm = page.getByRole('dialog', { name: `${what.split(' ')[0]} ${name}’s instance?` })
  await accessible(page, what)
  await confirm.getByRole('button', { name: what }).click()
  await confirm.waitFor({ state: 'detached', timeout: 60_000 })
}
