// How a prompt is written, taken back and answered by the keyboard.
import assert from 'node:assert/strict'
import { accessible, fits, picture, targets } from './checks.mjs'
import { desk, phone, together } from './world.mjs'

const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64')

/** Two at a time, each in their language. */
export async function composerPart(world) {
  const lin = await world.newcomer('lin', { locale: 'zh-CN' })
  await together([world.person('bob'), lin].map((p) => writes(world, p)))
  await world.leave(lin)
}

async function writes(world, p) {
  await p.startProject('writing')
  const session = p.page.url().split('/').at(-1)
  await queue(world, p)
  await compositionAndHistory(world, p)
  await filesAndDraft(world, p)
  await keysAndPlan(world, p, session)
  await failedAndGone(world, p)
  const screen = p.language === 'en' ? desk : phone
  await voice(world, await world.seat(p.name, { ...screen, storageState: await p.context.storageState() }, { locale: p.language }))
}

async function queue(world, bob) {
  world.note('prompts that wait are withdrawn and edited')
  const { page } = bob
  const composer = bob.composer()
  await bob.prompt('[pace 20ms] [say 5000]')
  await bob.log().locator('.prose').first().waitFor()
  await bob.prompt('[echo never this]')
  await bob.prompt('[echo the old words]')
  const row = (text) => page.getByRole('region', { name: 'Waiting prompts' }).getByRole('listitem').filter({ hasText: text })
  await row('the old words').waitFor()
  await steady(page, row('the old words').getByRole('button', { name: 'Edit' }))
  await picture(world, page, 'queue')
  await accessible(page, 'queued prompts')
  await row('never this').getByRole('button', { name: 'Withdraw' }).click()
  await row('never this').waitFor({ state: 'detached' })
  await composer.fill('[say 2]')
  await row('the old words').getByRole('button', { name: 'Edit' }).click()
  await row('the old words').waitFor({ state: 'detached' })
  const holds = (text) => page.waitForFunction((text) => document.querySelector('[data-composer]').value === text, text)
  await holds('[echo the old words]')
  await page.getByText('What you were writing comes back').waitFor()
  await accessible(page, 'editing a queued prompt')
  await picture(world, page, 'queue-edit')
  await composer.fill('[echo the new words]')
  await page.getByRole('button', { name: /^Send/ }).click()
  await holds('[say 2]')
  await row('the new words').getByRole('button', { name: 'Edit' }).click()
  await holds('[echo the new words]')
  await page.getByRole('button', { name: 'Drop this one' }).click()
  await holds('[say 2]')
  await composer.fill('[echo the new words]')
  await page.getByRole('button', { name: /^Send/ }).click()
  await page.getByRole('button', { name: 'Stop', exact: true }).click()
  await bob.answer('the new words').waitFor({ timeout: 60_000 })
  await bob.untilDone()
  assert.doesNotMatch(await bob.log().textContent(), /never this|the old words/)
}

/** After an error, and where the session is no more, nothing has to be written again. */
async function failedAndGone(world, bob) {
  const { page } = bob
  world.note('a turn that failed is tried again from its error')
  const session = await bob.startSession('writing')
  await bob.prompt('[fail 400]')
  const again = bob.log().getByRole('alert').getByRole('button', { name: 'Send again' })
  await again.dblclick()
  await bob.log().getByRole('alert').nth(1).waitFor()
  await again.waitFor()
  const { items } = await bob.api('GET', `/sessions/${session}/events`)
  assert.equal(items.filter((e) => e.event.type === 'carrel.prompt').length, 2, 'a double click sends it once')
  assert.equal(await again.count(), 1, 'only the last error offers it')
  await picture(world, page, 'failed-again')

  world.note('what was being written in a session that was deleted elsewhere is taken into a new one')
  await bob.composer().fill('half a thought')
  // The page asks for the session and for its events, and both are gone.
  await bob.excusing([/\b404\b.*\/sessions\//, /404.*\/events/], async () => {
    await bob.api('DELETE', `/sessions/${session}`, { status: 204 })
    await page.goto(`/s/${session}`)
    await page.getByText('half a thought').waitFor()
    await accessible(page, 'a session that is gone')
    await picture(world, page, 'session-gone')
    await page.getByRole('button', { name: 'Start a session with it' }).click()
    await page.getByRole('dialog', { name: 'New session' }).getByRole('button', { name: 'Start the session' }).click()
    await bob.composer().waitFor()
  })
  assert.equal(await bob.composer().inputValue(), 'half a thought')
  await bob.composer().fill('')
}

/** While Claude writes, a button stays where it is: a press that begins on it ends on it. */
async function steady(page, button) {
  const moved = await button.evaluate((el) => new Promise((resolve) => {
    const first = el.getBoundingClientRect().top
    let changes = 0
    const growth = new MutationObserver(() => {
      const by = el.getBoundingClientRect().top - first
      if (Math.abs(by) > 1 || ++changes === 200) {
        growth.disconnect()
        resolve(by)
      }
    })
    growth.observe(document.querySelector('[role=log]'), { childList: true, subtree: true, characterData: true })
  }))
  assert.ok(Math.abs(moved) <= 1, `Edit moved by ${moved} px`)
}

async function compositionAndHistory(world, bob) {
  world.note('Enter of an input method sends nothing')
  const { page } = bob
  const composer = bob.composer()
  const before = await bob.log().textContent()
  await composer.focus()
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('Input.imeSetComposition', { text: 'nihao', selectionStart: 5, selectionEnd: 5 })
  await cdp.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', key: 'Enter', code: 'Enter', windowsVirtualKeyCode: 13 })
  await cdp.send('Input.dispatchKeyEvent', { type: 'keyUp', key: 'Enter', code: 'Enter', windowsVirtualKeyCode: 13 })
  await cdp.send('Input.insertText', { text: '你好' })
  // Safari ends the composition first; its Enter then has the code 229 and nothing else.
  await composer.evaluate((el) => el.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true, cancelable: true })))
  assert.equal(await composer.inputValue(), '你好')
  assert.equal(await bob.log().textContent(), before)
  // That it has finished is read out after every turn, though the words are the same.
  const finished = await page.locator('main > [role=status].sr-only').evaluateHandle((el) => {
    const seen = { text: el.textContent, told: 0 }
    new MutationObserver(() => seen.told++).observe(el, { childList: true, characterData: true, subtree: true })
    return seen
  })
  await composer.fill('[echo 你好]')
  await composer.press('Enter')
  await bob.answer('你好').waitFor()
  await bob.untilDone()
  await page.waitForFunction((seen) => seen.told === 1 && seen.text !== '', finished)

  world.note('earlier prompts come back')
  await composer.press('ArrowUp')
  assert.equal(await composer.inputValue(), '[echo 你好]')
  await composer.press('ArrowUp')
  assert.equal(await composer.inputValue(), '[echo the new words]')
  await composer.press('ArrowDown')
  await composer.press('ArrowDown')
  assert.equal(await composer.inputValue(), '')
  await composer.fill('one\ntwo')
  await composer.press('ArrowUp')
  assert.equal(await composer.inputValue(), 'one\ntwo')
  await composer.fill('')
}

async function filesAndDraft(world, bob) {
  world.note('@ finds files')
  const { page } = bob
  const composer = page.locator('[data-composer]') // a combobox while it offers files
  await bob.api('PUT', '/files/content?path=projects/writing/src/needle.go', { data: Buffer.from('package needle\n'), status: 201 })
  await composer.pressSequentially('look at @ndl')
  const list = page.getByRole('listbox', { name: 'Files' })
  await list.getByRole('option', { name: 'src/needle.go' }).waitFor()
  await accessible(page, 'file suggestions')
  await picture(world, page, 'mention')
  await composer.press('Enter')
  assert.equal(await composer.inputValue(), 'look at @src/needle.go ')
  await list.waitFor({ state: 'detached' })

  world.note('a draft survives a reload, with what is attached')
  const input = page.locator('input[type=file]')
  await input.setInputFiles([{ name: 'data.csv', mimeType: 'text/csv', buffer: Buffer.from('a,b\n1,2\n') }, { name: 'dot.png', mimeType: 'image/png', buffer: png }])
  const attached = page.getByRole('list', { name: 'Goes with the prompt' })
  await attached.getByRole('button', { name: 'Remove data.csv' }).waitFor()
  await attached.getByRole('progressbar').first().waitFor({ state: 'detached' }) // of that name while it comes, too
  await attached.getByRole('img', { name: 'dot.png' }).waitFor()
  await bob.excusing([/\b409\b.*\/files\/uploads/], async () => {
    // The name is taken: the server says so, and the page takes the next.
    await input.setInputFiles({ name: 'data.csv', mimeType: 'text/csv', buffer: Buffer.from('another\n') })
    await attached.getByRole('button', { name: 'Remove data-2.csv' }).waitFor()
    await attached.getByRole('progressbar').first().waitFor({ state: 'detached' }) // it has come whole
  })
  // Two of one name at once are two files.
  await input.setInputFiles(['one', 'other'].map((text) => ({ name: 'twin.txt', mimeType: 'text/plain', buffer: Buffer.from(text) })))
  for (const [name, text] of [['twin.txt', 'one'], ['twin-2.txt', 'other']]) {
    const remove = attached.getByRole('button', { name: `Remove ${name}` })
    await remove.waitFor()
    await attached.getByRole('progressbar').first().waitFor({ state: 'detached' })
    assert.equal(await bob.file(`projects/writing/uploads/${name}`), text)
    await remove.click()
  }
  assert.equal(await bob.file('projects/writing/uploads/data.csv'), 'a,b\n1,2\n')
  assert.equal(await bob.file('projects/writing/uploads/data-2.csv'), 'another\n')
  await page.waitForFunction(async () => {
    const open = indexedDB.open('carrel-drafts')
    const db = await new Promise((r) => (open.onsuccess = () => r(open.result)))
    const all = db.transaction('attached').objectStore('attached').getAll()
    const kept = await new Promise((r) => (all.onsuccess = () => r(all.result)))
    db.close()
    return kept.some((d) => d.files.length === 2 && d.pictures.length === 1)
  })
  await page.reload()
  await attached.getByRole('img', { name: 'dot.png' }).waitFor()
  assert.equal(await composer.inputValue(), 'look at @src/needle.go ')
  await attached.getByRole('button', { name: 'Remove data-2.csv' }).click()
  await accessible(page, 'attachments')
  await fits(page, 'attachments')
  await picture(world, page, 'attachments')

  world.note('files are held over the page, and dropped')
  const over = (type) => page.evaluate((type) => {
    const data = new DataTransfer()
    data.items.add(new File(['dropped\n'], 'dropped.txt', { type: 'text/plain' }))
    document.querySelector('main').dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data }))
  }, type)
  await over('dragover')
  await page.getByText('Drop to add it to the prompt').waitFor()
  await over('drop')
  await attached.getByText('dropped.txt').waitFor()
  await page.getByRole('button', { name: /^Send/ }).click()
  await bob.log().getByText('@uploads/data.csv @uploads/dropped.txt').first().waitFor()
  await bob.untilDone()
  await attached.waitFor({ state: 'detached' })
}

async function keysAndPlan(world, bob, session) {
  world.note('a request is answered by keys, but not by writing')
  const { page } = bob
  const composer = bob.composer()
  const card = bob.request()
  await bob.prompt('[bash touch keys.txt]')
  await card.getByRole('heading', { name: 'Run a command?' }).waitFor()
  await composer.pressSequentially('a d 1')
  await bob.noFile('projects/writing/keys.txt')
  await composer.fill('')
  await composer.blur()
  await page.keyboard.type('and please') // into nothing
  await bob.noFile('projects/writing/keys.txt')
  await page.keyboard.press('Escape')
  await page.keyboard.press('d')
  await card.getByLabel('What should Claude do instead?').press('Escape')
  await composer.focus()
  await page.keyboard.press('Escape')
  await card.getByRole('button', { name: 'Allow once' }).waitFor()
  await page.keyboard.press('a')
  await card.waitFor({ state: 'detached' })
  assert.ok(await composer.evaluate((el) => el === document.activeElement), 'after the answer one writes on')
  await bob.untilDone()
  await bob.file('projects/writing/keys.txt')

  world.note('a plan is edited before it is approved')
  await page.getByRole('button', { name: /^Mode:/ }).click()
  await page.getByRole('menuitemradio', { name: /^Plans/ }).click()
  await bob.until('the new mode', `/sessions/${session}`, (s) => s.permission_mode === 'plan')
  await bob.prompt('[plan # Plan\\n\\n1. Paint it red] [echo painted]')
  await card.getByRole('button', { name: 'Edit the plan' }).click()
  await card.getByLabel('The plan, as Markdown').fill('# Plan\n\n1. Paint it green\n')
  await accessible(page, 'plan being edited')
  assert.equal(await page.evaluate(() => document.scrollingElement.scrollTop), 0, 'the page as a whole was scrolled')
  await picture(world, page, 'plan-edit')
  await card.getByRole('button', { name: 'Read the plan' }).click()
  await card.getByText('Paint it green').waitFor()
  await card.getByRole('button', { name: 'Go ahead, accept edits' }).click()
  await bob.answer('painted').waitFor()
  await bob.untilDone()
  const events = await bob.api('GET', `/sessions/${session}/events?after=0&limit=5000`)
  const told = events.items.map((e) => JSON.stringify(e.event)).filter((e) => e.includes('approved your plan'))
  assert.ok(told.length > 0 && told.every((e) => e.includes('Paint it green') && !e.includes('Paint it red')), `Claude was told ${told}`)
}

/** What is said is taken down, and sent by nobody but its person. */
async function voice(world, p) {
  world.note(`a prompt is spoken, ${p.page.viewportSize().width} px wide`)
  const { page } = p
  // An ear that the test speaks into; the browser's own needs a microphone and a service of its maker.
  await page.addInitScript(() => {
    if (sessionStorage.getItem('deaf')) {
      delete window.SpeechRecognition
      delete window.webkitSpeechRecognition
      return
    }
    window.SpeechRecognition = window.webkitSpeechRecognition = class {
      start() {
        window.ear = this
      }
      stop() {
        this.onend?.()
      }
      abort() {}
    }
    window.hear = (...said) => window.ear.onresult({ resultIndex: 0, results: said.map(([transcript, isFinal]) => Object.assign([{ transcript }], { isFinal })) })
  })
  const { id } = await p.api('POST', '/sessions', { data: { project: 'writing' }, status: 201 })
  await page.goto(`/s/${id}`)
  await p.composer().fill('First')
  const hear = (...said) => page.evaluate((said) => window.hear(...said), said)
  await page.getByRole('button', { name: 'Speak' }).click()
  assert.deepEqual(await page.evaluate(() => [window.ear.lang, window.ear.continuous]), [p.language, true])
  await hear(['water the', false])
  await page.getByText('water the', { exact: true }).waitFor()
  assert.equal(await p.composer().inputValue(), 'First', 'what may change is not written yet')
  await hear(['water the plants', true], [' and return', true], [' the boots', false])
  await page.getByText('the boots', { exact: true }).waitFor()
  assert.equal(await p.composer().inputValue(), 'First water the plants and return')
  await accessible(page, 'while it listens')
  await fits(page, 'while it listens')
  if (p.page.viewportSize().width < 760) await targets(page, 'while it listens')
  await picture(world, page, `voice-${page.viewportSize().width}`)
  await hear([' the books', true])
  await page.getByRole('button', { name: 'Stop listening' }).click()
  await page.getByRole('button', { name: 'Speak' }).waitFor()
  assert.equal(await p.composer().inputValue(), 'First water the plants and return the books')
  assert.equal(await page.getByText('the boots').count(), 0)

  await page.getByRole('button', { name: 'Speak' }).click()
  await page.evaluate(() => {
    window.ear.onerror({ error: 'not-allowed' })
    window.ear.onend()
  })
  await page.getByRole('alert').getByText('The browser could not listen. Allow it to use the microphone, and try again.').waitFor()
  await page.getByRole('button', { name: 'Speak' }).click()
  await page.getByText('The browser could not listen.').waitFor({ state: 'detached' })
  const told = await p.api('GET', `/sessions/${id}/events?after=0&limit=5000`)
  assert.ok(told.items.every((e) => e.event.type !== 'carrel.prompt'), 'it was sent by itself')

  await page.evaluate(() => sessionStorage.setItem('deaf', 'yes'))
  await page.reload()
  await p.composer().waitFor()
  assert.equal(await page.getByRole('button', { name: 'Speak' }).count(), 0, 'a browser that cannot listen offers it')
  await p.composer().fill('')
  await world.leave(p)
}
