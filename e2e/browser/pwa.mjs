// The installed page: it opens without a server and shows what was last read,
// goes on by itself, asks before it takes a new version, and takes what other
// apps share. What one person leaves on a device is not the next one's.
import assert from 'node:assert/strict'
import { accessible, fits, picture, proseOf, targets, wordsOf } from './checks.mjs'
import { Front } from './front.mjs'
import { passwordOf } from './person.mjs'
import { desk, phone } from './world.mjs'

const away = [/WebSocket connection/, /ERR_CONNECTION/, /ERR_EMPTY_RESPONSE/, /ERR_FAILED/, /ERR_INTERNET_DISCONNECTED/, /ERR_SOCKET_NOT_CONNECTED/, /ERR_INCOMPLETE_CHUNKED/, /ApiError: unreachable/]

export async function pwaPart(world) {
  const front = await new Front(world.url).open()
  const bob = await world.seat('bob', { ...desk, baseURL: front.url })
  await bob.signIn()
  const session = await offline(world, front, bob)
  await update(world, front, bob, session)
  await badge(world, bob)
  await install(world, bob)
  await share(world, bob, session)
  await leave(world, front, bob, session)
  await world.leave(bob)
  await front.close()
}

/** All that a database of the page holds, as text. */
const stored = (page, name) =>
  page.evaluate(async (name) => {
    if (!(await indexedDB.databases()).some((d) => d.name === name)) return ''
    const done = (r) => new Promise((ok, no) => ((r.onsuccess = () => ok(r.result)), (r.onerror = () => no(r.error))))
    const db = await done(indexedDB.open(name))
    const all = []
    for (const store of db.objectStoreNames) all.push(...(await done(db.transaction(store).objectStore(store).getAll())))
    db.close()
    return all.length === 0 ? '' : JSON.stringify(all)
  }, name)

/** Looks until it is as it is to be. */
async function until(what, look, holds) {
  for (const deadline = Date.now() + 60_000; ; ) {
    const seen = await look()
    if (holds(seen)) return
    assert.ok(Date.now() < deadline, `waited 60 s for ${what}; last seen: ${JSON.stringify(seen).slice(0, 2000)}`)
    await new Promise((r) => setTimeout(r, 50))
  }
}

const shownWords = async (bob) => wordsOf(await bob.log().evaluate((log) => [...log.querySelectorAll('.prose')].map((p) => p.innerText).join('\n')))

async function offline(world, front, bob) {
  const { page } = bob
  world.note('the worker takes over, and what is read is kept')
  assert.equal(await page.evaluate(() => navigator.serviceWorker.ready.then((r) => new URL(r.active.scriptURL).pathname)), '/worker.js')
  const session = await bob.startProject('train')
  const words = [...proseOf(60), 'read', 'on', 'the', 'train']
  await bob.turn('[say 60] [echo read on the train]', 'read on the train')
  await until('the conversation to be kept', () => stored(page, 'carrel-kept'), (all) => /"type":"result"/.test(all))
  const cached = await page.evaluate(async () => (await Promise.all((await caches.keys()).map(async (n) => (await (await caches.open(n)).keys()).map((r) => new URL(r.url).pathname)))).flat())
  assert.ok(cached.includes('/index.html') && cached.some((p) => /assets\/index-.*\.js/.test(p)), `no shell: ${cached}`)
  assert.deepEqual(cached.filter((p) => p.startsWith('/api') || /katex|mermaid|pdf/i.test(p)), [], 'what is cached')

  await bob.excusing(away, async () => {
    world.note('no server: the page opens with what was read')
    await front.close()
    await page.goto(`/s/${session}`)
    const mark = page.getByRole('main').getByRole('status').filter({ hasText: /Offline\. As of / })
    await mark.waitFor()
    await bob.answer('read on the train').waitFor()
    assert.deepEqual(await shownWords(bob), words)
    await page.getByRole('navigation', { name: 'Sessions' }).getByRole('link').filter({ hasText: 'train' }).first().waitFor()
    await bob.composer().fill('written in a tunnel')
    await accessible(page, 'without a server')
    for (const scheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme: scheme })
      await picture(world, page, `offline-desk-${scheme}-en`)
    }
    await page.reload()
    await bob.answer('read on the train').waitFor()
    assert.equal(await bob.composer().inputValue(), 'written in a tunnel')
    await page.setViewportSize(phone.viewport)
    for (const scheme of ['dark', 'light']) {
      await page.emulateMedia({ colorScheme: scheme })
      await picture(world, page, `offline-phone-${scheme}-en`)
    }
    await fits(page, 'without a server, on a phone')
    await page.setViewportSize(desk.viewport)

    world.note('and goes on by itself')
    await front.open()
    await mark.waitFor({ state: 'detached' })
    // Nothing was asked of the server yet when the mark went; the next answer comes after all that was missed.
    await bob.prompt('[echo back again]')
    await bob.answer('back again').waitFor()
    await bob.untilDone()
    assert.deepEqual(await shownWords(bob), [...words, 'back', 'again'], 'each word once')
  })
  return session
}

async function update(world, front, bob, session) {
  const { page } = bob
  world.note('a part of the page that the server has no more')
  await bob.composer().fill('not to be lost')
  front.missing = /assets\/TerminalPage/
  await bob.excusing([/TerminalPage/, /404/], async () => {
    await page.getByRole('link', { name: 'Terminal' }).click()
    await page.getByText('This part of the page could not be loaded').waitFor()
  })
  front.missing = null
  await page.getByRole('button', { name: 'Reload the page' }).click()
  await page.getByRole('button', { name: 'New terminal' }).first().waitFor()
  await page.goto(`/s/${session}`)
  await bob.composer().waitFor()
  assert.equal(await bob.composer().inputValue(), 'not to be lost')

  world.note('a new version asks')
  const other = await bob.open('/projects')
  await other.getByRole('heading', { name: 'Projects' }).waitFor()
  await bob.composer().fill('half a sentence')
  for (const p of [page, other]) await p.evaluate(() => (window.before = true))
  const old = await page.evaluate(() => caches.keys())
  front.worker = (text) => text.replace(/id:(.)[0-9a-f]{12}\1/, 'id:$1another$1')
  await page.evaluate(() => navigator.serviceWorker.getRegistration().then((r) => r.update()))
  const line = (p) => p.getByRole('status').filter({ hasText: 'A new version is here.' })
  for (const p of [page, other]) await line(p).waitFor()
  await accessible(page, 'a new version')
  for (const scheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme: scheme })
    await picture(world, page, `update-desk-${scheme}-en`)
  }
  await page.setViewportSize(phone.viewport)
  await fits(page, 'a new version, on a phone')
  await picture(world, page, 'update-phone-light-en')
  await page.setViewportSize(desk.viewport)
  for (const p of [page, other]) assert.equal(await p.evaluate(() => window.before), true, 'nothing is reloaded before somebody says so')

  await line(page).getByRole('button', { name: 'Reload' }).click()
  for (const p of [page, other]) {
    await p.waitForFunction(() => window.before === undefined && document.querySelector('main'))
    await line(p).waitFor({ state: 'detached' })
  }
  assert.equal(await bob.composer().inputValue(), 'half a sentence')
  await until(`the old caches to go (${old})`, () => page.evaluate(() => caches.keys()), (names) => names.every((n) => !old.includes(n)))
  assert.ok((await page.evaluate(() => caches.keys())).includes('carrel-shell-another'))
  await other.close()
}

async function badge(world, bob) {
  world.note('the icon tells how many sessions wait')
  const { page } = bob
  await page.evaluate(() => {
    navigator.setAppBadge = async (n) => void (window.badge = n)
    navigator.clearAppBadge = async () => void (window.badge = 0)
  })
  await bob.prompt('[bash rm -r notes]')
  await page.waitForFunction(() => window.badge === 1)
  await bob.request().getByRole('button', { name: 'Deny…' }).click()
  await bob.request().getByRole('button', { name: 'Deny', exact: true }).click()
  await page.waitForFunction(() => window.badge === 0)
  await bob.untilDone()
  await bob.composer().fill('half a sentence')
}

async function install(world, bob) {
  world.note('the browser offers to install')
  const { page } = bob
  const entry = page.getByRole('menuitem', { name: 'Install Carrel' })
  const account = page.getByRole('navigation', { name: 'Sessions' }).getByRole('button', { name: 'bob' })
  await account.click()
  await page.getByRole('menuitem', { name: 'Sign out' }).waitFor()
  assert.equal(await entry.count(), 0, 'nothing is offered that the browser does not offer')
  await page.keyboard.press('Escape')
  // What is closed while it still appears is there for a moment. To open it again then is not to press elsewhere.
  for (let i = 0; i < 6; i++) {
    await account.click()
    await page.keyboard.press('Escape')
    await account.click()
    await page.waitForTimeout(200)
    assert.equal(await page.getByRole('menu').count(), 1, 'a menu stays that is opened again at once')
    await page.keyboard.press('Escape')
    await page.getByRole('menu').waitFor({ state: 'detached' })
  }
  await page.evaluate(() => window.dispatchEvent(Object.assign(new Event('beforeinstallprompt'), { prompt: async () => void (window.prompted = true) })))
  await account.click()
  await entry.waitFor()
  await account.evaluate((button) => button.focus())
  assert.equal(await entry.count(), 1, 'its own button takes the focus from a menu, and it stays')
  await picture(world, page, 'install-desk-light-en')
  await page.keyboard.press('Escape')
  await page.setViewportSize(phone.viewport)
  await page.getByRole('link', { name: 'Back' }).or(page.getByRole('button', { name: 'Back' })).first().click()
  await page.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: 'More' }).click()
  const row = page.getByRole('button', { name: 'Install Carrel' })
  await row.waitFor()
  await picture(world, page, 'install-phone-light-en')
  await page.setViewportSize(desk.viewport)
  await row.click()
  await page.waitForFunction(() => window.prompted === true)
  await row.waitFor({ state: 'detached' })
}

/** What the system does when somebody shares with the installed app: a form is posted. */
const post = (page) =>
  page.evaluate(async () => {
    const form = Object.assign(document.createElement('form'), { method: 'POST', action: '/share', enctype: 'multipart/form-data' })
    const field = (type, name, value) => form.append(Object.assign(document.createElement('input'), { type, name, ...(value && { value }) }))
    field('hidden', 'title', 'A page about carrels')
    field('hidden', 'text', 'look at this')
    field('hidden', 'url', 'https://example.org/carrels')
    field('file', 'files')
    const canvas = Object.assign(document.createElement('canvas'), { width: 8, height: 8 })
    const png = await new Promise((done) => canvas.toBlob(done, 'image/png'))
    const files = new DataTransfer()
    files.items.add(new File([png], 'dot.png', { type: 'image/png' }))
    files.items.add(new File(['a,b\n1,2\n'], 'shared.csv', { type: 'text/csv' }))
    form.lastChild.multiple = true
    form.lastChild.files = files.files
    document.body.append(form)
    form.submit()
  })

async function share(world, bob, session) {
  world.note('something is shared, and waits in a draft')
  const { page } = bob
  await page.goto('/')
  await post(page)
  await page.waitForURL(/\/share$/)
  await page.getByText('https://example.org/carrels').waitFor()
  await page.getByText('shared.csv').waitFor()
  await accessible(page, 'share')
  for (const scheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme: scheme })
    await picture(world, page, `share-desk-${scheme}-en`)
  }
  await page.setViewportSize(phone.viewport)
  await fits(page, 'share, on a phone')
  await picture(world, page, 'share-phone-light-en')
  await page.setViewportSize(desk.viewport)
  const before = (await world.person('bob').api('GET', `/sessions/${session}/events?after=0&limit=5000`)).items.filter((e) => e.event.type === 'carrel.prompt').length
  await page.getByRole('main').getByRole('button').filter({ hasText: 'train' }).first().click()
  await page.waitForURL(new RegExp(`/s/${session}$`))
  assert.equal(await bob.composer().inputValue(), 'A page about carrels\nlook at this\nhttps://example.org/carrels\n\nhalf a sentence')
  await page.getByRole('img', { name: 'dot.png' }).waitFor()
  await page.getByRole('button', { name: /Remove.*shared\.csv/ }).waitFor()
  await page.getByRole('progressbar', { name: /shared\.csv/ }).waitFor({ state: 'detached' })
  assert.equal(await world.person('bob').file('projects/train/uploads/shared.csv'), 'a,b\n1,2\n')
  const after = (await world.person('bob').api('GET', `/sessions/${session}/events?after=0&limit=5000`)).items.filter((e) => e.event.type === 'carrel.prompt').length
  assert.equal(after, before, 'nothing is sent by itself')
  assert.equal(await stored(page, 'carrel-shared'), '')
}

async function leave(world, front, bob, session) {
  world.note('who signs out leaves nothing')
  const { page } = bob
  await page.goto('/files/projects/train/uploads/shared.csv')
  await page.getByRole('main').getByRole('button', { name: 'Edit', exact: true }).click()
  await page.locator('.cm-content').click()
  await page.keyboard.type('an edit that is not saved')
  await page.waitForFunction(() => Object.entries(localStorage).some(([key, v]) => key.startsWith('carrel.edits') && v.includes('not saved')))
  await page.getByRole('navigation', { name: 'Sessions' }).getByRole('button', { name: 'bob' }).click()
  // The server ends the WebSocket with the sign-in; the page may just be saying that it needs it no more.
  await bob.excusing([/WebSocket is already in CLOSING/], async () => {
    await page.getByRole('menuitem', { name: 'Sign out' }).click()
    const asks = page.getByRole('dialog', { name: 'Sign out without saving?' })
    await asks.getByText('1 file has changes that are not saved').waitFor()
    await asks.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  })
  for (const name of ['carrel-kept', 'carrel-shared', 'carrel-drafts']) await until(`${name} to be empty`, () => stored(page, name), (all) => all === '')
  assert.deepEqual(await page.evaluate(() => Object.keys(localStorage).filter((k) => /^carrel\.(draft|edits|known|project)/.test(k))), [])
  await bob.excusing(away, async () => {
    await front.close()
    await page.goto(`/s/${session}`)
    await page.getByText('The server cannot be reached').waitFor()
    assert.ok(!/train/.test(await page.evaluate(() => document.body.innerText)), 'nothing of what was read is shown')
    await front.open()
  })

  world.note('what is shared with nobody signed in waits for the sign-in')
  bob.signedIn = false
  await bob.excusing([/401/], async () => {
    await page.goto('/')
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await post(page)
    await page.waitForURL(/\/login\?next=/)
    await page.getByLabel('User name or e-mail').fill('ada')
    await page.getByLabel('Password').fill(passwordOf('ada'))
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('https://example.org/carrels').waitFor()
  })
  assert.ok(!/read on the train/.test(await stored(page, 'carrel-kept')), "the next person's device knows nothing of the one before")
  await page.setViewportSize(phone.viewport)
  await page.getByRole('link', { name: 'Audit record' }).waitFor({ state: 'hidden' }) // it is drawn anew for the phone
  await targets(page, 'share')
  await page.getByRole('button', { name: 'Discard' }).click()
  await page.waitForURL(/\/$/)
  assert.equal(await stored(page, 'carrel-shared'), '')
}
