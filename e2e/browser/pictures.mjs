// A picture of every main view: desk and phone, light and dark, English and
// Chinese, for people to look at, with the checks that a program can make; and
// every view larger. One person's own world is made for it.
import { accessible, fits, picture, steady, targets } from './checks.mjs'
import { passwordOf } from './person.mjs'
import { reflows } from './reflow.mjs'
import { desk, phone } from './world.mjs'

export async function picturesPart(world) {
  const ada = world.person('ada')
  const { id, quota } = await ada.api('POST', '/users', { data: { username: 'eve', password: passwordOf('eve'), role: 'admin' }, status: 201 })
  await ada.api('PUT', `/users/${id}/quota`, { data: { ...quota, live_sessions: 8, tokens_per_month: 2_000_000 } })
  const eve = await world.seat('eve')
  await eve.signIn()
  const sitting = await eve.context.storageState()

  world.note('nothing there yet')
  await rounds(world, eve, sitting, [
    ['no sessions', '/', (p) => p.getByRole('button', { name: /Try the sample|试用示例/ }).waitFor()],
    ['no projects', '/projects', (p) => p.getByText(/No projects yet|还没有项目/).waitFor()],
  ])

  world.note('a world to look at')
  const at = await prepare(eve)
  await rounds(world, eve, sitting, [
    ['home', '/', (p) => p.getByRole('main').getByRole('region', { name: /Claude asks|Claude 在询问/ }).first().waitFor()],
    ['conversation', `/s/${at.talk}`, (p) => p.getByRole('log').getByRole('group').last().waitFor()],
    ['conversation in Chinese', `/s/${at.chinese}`, (p) => p.getByRole('log').getByRole('table').waitFor()],
    ['permission', `/s/${at.command}`, (p) => p.getByRole('button', { name: /Allow once|允许一次/ }).waitFor()],
    ['edit', `/s/${at.edit}`, (p) => p.getByRole('button', { name: /Allow once|允许一次/ }).waitFor()],
    ['question', `/s/${at.question}`, (p) => p.getByRole('radio').first().waitFor()],
    ['running', `/s/${at.running}`, (p) => p.waitForFunction(() => document.querySelector('[role=log]')?.textContent.length > 800)],
    ['error', `/s/${at.error}`, (p) => p.getByRole('log').getByRole('alert').waitFor()],
    ['projects', '/projects', (p) => p.getByRole('main').getByRole('listitem').filter({ hasText: 'reading-room' }).waitFor()],
    ['new project', '/projects?add=true', (p) => p.getByRole('dialog').waitFor()],
    ['account', '/account', (p) => p.getByRole('heading', { level: 2 }).last().waitFor()],
    ['users', '/admin/users', (p) => p.getByRole('main').getByRole('row').filter({ hasText: 'eve' }).waitFor()],
    ['edit a user', '/admin/users', editUser],
    ['instances', '/admin/instances', (p) => p.getByRole('main').getByRole('listitem').filter({ hasText: 'eve' }).waitFor()],
    ['more', '/more', (p) => p.getByRole('heading', { level: 1 }).waitFor()],
    ['nowhere', '/nowhere', (p) => p.waitForLoadState('networkidle')],
  ])

  world.note('larger')
  await eve.api('PATCH', '/me', { data: { language: 'en' } })
  await larger(world, sitting, [
    ['files', '/files/projects/reading-room', (p) => p.getByRole('main').getByText('lend.go').first().waitFor()],
    ['editor', '/files/projects/reading-room/lend.go', (p) => p.locator('.cm-line span').first().waitFor()],
    ['terminal', '/terminal', newTerminal],
    ['work', `/s/${at.talk}?work=changes`, (p) => p.getByRole('tabpanel').getByText('lend.go').first().waitFor()],
    ['search', '/search?q=shelf', (p) => p.getByRole('main').getByRole('listitem').first().waitFor()],
    ['snapshots', '/snapshots', (p) => p.getByText('No snapshots yet').waitFor()],
    ['server', '/admin/server', (p) => p.getByRole('main').getByRole('listitem').first().waitFor()],
    ['new session', '/?add=true', (p) => p.getByRole('dialog').waitFor()],
    ['palette', '/projects', palette],
  ])

  world.note('before the sign-in')
  await rounds(world, eve, undefined, [
    ['sign in', '/login', (p) => p.getByRole('textbox').first().waitFor()],
    ['register', '/register', (p) => p.getByRole('textbox').nth(2).waitFor()],
  ])
  await world.leave(eve)
}

async function editUser(page) {
  await page.getByRole('main').getByRole('row').filter({ hasText: 'bob' }).getByRole('button').click()
  await page.getByRole('dialog').waitFor()
}

async function newTerminal(page) {
  await page.getByRole('button', { name: 'New terminal' }).first().click()
  await page.getByRole('menuitem', { name: 'catalogue' }).click()
  await page.locator('.xterm-rows').getByText('$').first().waitFor()
}

async function palette(page) {
  await page.getByRole('main').getByRole('listitem').first().waitFor()
  await page.keyboard.press('Control+k')
  await page.getByRole('option').first().waitFor()
}

/** Views that the other parts take pictures of. */
async function larger(world, sitting, views) {
  const looker = await world.seat('eve', { ...desk, storageState: sitting })
  looker.signedIn = true
  for (const [name, path, ready] of views) {
    await looker.page.goto(path)
    await ready(looker.page)
    await reflows(looker.page, name)
  }
  await world.leave(looker)
}

/** Every view in both languages, sizes and themes; the two sizes side by side. In Chinese each view is seen in one theme at a size, in turn. */
async function rounds(world, eve, sitting, views) {
  for (const language of ['en', 'zh-CN']) {
    await eve.api('PATCH', '/me', { data: { language } })
    await Promise.all(
      Object.entries({ desk, phone }).map(async ([size, screen]) => {
        const looker = await world.seat('eve', { ...screen, deviceScaleFactor: 1, storageState: sitting }, { locale: language })
        looker.signedIn = sitting !== undefined
        for (const [n, [name, path, ready]] of views.entries()) {
          await looker.page.goto(path)
          await ready(looker.page)
          await fits(looker.page, `${name}, ${size}, ${language}`)
          await steady(looker.page, `${name}, ${size}, ${language}`)
          if (size === 'phone') await targets(looker.page, `${name}, ${language}`)
          for (const theme of language === 'en' ? ['light', 'dark'] : [(n % 2 === 0) === (size === 'desk') ? 'light' : 'dark']) {
            await looker.page.emulateMedia({ colorScheme: theme })
            await picture(world, looker.page, `${name}-${size}-${theme}-${language}`.replaceAll(' ', '-'))
            // axe takes as long as all the rest: it sees each view once, in turn dark at a desk and light on a phone.
            if (language === 'en' && (n % 2 === 0 ? size === 'desk' && theme === 'dark' : size === 'phone' && theme === 'light')) await accessible(looker.page, `${name}, ${size}, ${theme}`)
          }
          if (size === 'desk' && language === 'en') await reflows(looker.page, name)
        }
        await world.leave(looker)
      }),
    )
  }
}

/** Sessions in every state that a list can show. */
async function prepare(eve) {
  await eve.api('POST', '/projects', { data: { name: 'reading-room' }, status: 201 })
  await eve.api('POST', '/projects', { data: { name: 'catalogue' }, status: 201 })
  const begin = async (title, content, until, project = 'reading-room') => {
    const { id } = await eve.api('POST', '/sessions', { data: { project, title }, status: 201 })
    await eve.api('POST', `/sessions/${id}/prompts`, { data: { id: `${id}-1`, content }, status: 202 })
    await eve.until(`${title}: ${until}`, `/sessions/${id}/events?after=0&limit=5000`, (got) => got.items.some(({ event }) => until(event)))
    return id
  }
  const ended = (event) => event.type === 'result'
  const asks = (event) => event.type === 'control_request'
  const allow = async (id) => {
    const { items } = await eve.api('GET', `/sessions/${id}/events?after=0&limit=5000`)
    const asked = items.map((i) => i.event).filter(asks).at(-1)
    await eve.api('POST', `/sessions/${id}/answers`, { data: { request_id: asked.request_id, behavior: 'allow', updated_input: asked.request.input }, status: 204 })
  }
  const talk = await begin('Lend books by the shelf', '[write lend.go package main\\n\\nfunc main() {\\n\\tprintln("lent")\\n}] [edit lend.go lent => lent for four weeks] [bash go vet ./... || true] [echo The shelf is now the unit: a reader who takes **one** book holds the whole shelf.\\n\\n- `lend.go` says for how long\\n- nothing else changed]', asks)
  for (let n = 1; n <= 3; n++) {
    await eve.until(`request ${n}`, `/sessions/${talk}/events?after=0&limit=5000`, (got) => got.items.filter((i) => asks(i.event)).length === n)
    await allow(talk)
  }
  const edit = await begin('Say how long a book may stay out', '[write due.md A book may stay out for two weeks.\\nA reader may ask once for more.] [edit due.md two weeks => four weeks]', asks)
  await allow(edit)
  await eve.until('the edit', `/sessions/${edit}/events?after=0&limit=5000`, (got) => got.items.filter((i) => asks(i.event)).length === 2)
  return {
    talk,
    edit,
    chinese: await begin('阅览室的桌子', '请展示排版 [markdown]', ended),
    command: await begin('Count the returned books', '[bash go test ./internal/returns/... -run Count -count=1 2>&1 | tee returns.log | tail -20]', asks, 'catalogue'),
    question: await begin('Which licence?', '[ask Which licence should the catalogue have? | Apache-2.0: permissive, with a patent grant | MIT: permissive and short | AGPL-3.0: changes stay open] ', asks, 'catalogue'),
    error: await begin('Ask an overloaded model', '[fail 400]', ended),
    running: await begin('Describe the reading room', '[pace 60ms] [markdown] [say 4000]', (event) => event.type === 'stream_event'),
  }
}
