// The connection is lost without a word: a lid is closed, a phone changes
// networks. The page shows the truth as soon as it can, and nothing twice.
import assert from 'node:assert/strict'
import { proseOf, watchGrowth, wordsOf } from './checks.mjs'
import { Line } from './line.mjs'
import { desk, phone } from './world.mjs'

const lost = [/WebSocket connection/, /ERR_INTERNET_DISCONNECTED/]
const words = 250
const said = (text) => [...proseOf(words), ...wordsOf(text)]

export async function awayPart(world) {
  const line = await new Line(world.url).open()
  try {
    await networks(world, line, await lid(world, line))
  } finally {
    await line.close()
  }
}

async function lid(world, line) {
  const bob = await world.seat('bob', { ...desk, baseURL: line.url })
  const elsewhere = world.person('bob')
  const { page } = bob
  await page.addInitScript(clock)
  await bob.signIn()
  const session = await bob.startProject('lid')
  const growth = await watchGrowth(page)
  await bob.prompt(`[pace 20ms] [say ${words}] [echo the lid is open]`)
  await growth.more(8)

  world.note('the lid is closed, and the turn goes on without the page')
  const wake = await sleep(world)
  let before
  try {
    line.freeze()
    await elsewhere.until('the turn to end', `/sessions/${session}`, (s) => s.state === 'ready')
    line.thaw()
    before = page.evaluate(() => leap(600_000)) // the first that it does when it is awake
  } finally {
    wake()
  }
  const since = stopwatch()
  assert.ok(wordsOf(await before).length < words, 'the page knew the whole answer before it slept')
  await bob.answer('the lid is open').waitFor()
  await bob.untilDone()
  world.note(`ten minutes later the truth was there after ${since()} ms`)
  await settled(bob, session)
  assert.deepEqual(await answers(bob), said('the lid is open'), 'each word once, in order')
  assert.deepEqual(await prompts(bob), ['the lid is open'])
  const storageState = await bob.context.storageState()
  await world.leave(bob)
  return { session, storageState }
}

async function networks(world, line, { session, storageState }) {
  const bob = await world.seat('bob', { ...phone, baseURL: line.url, storageState })
  const elsewhere = world.person('bob')
  const { page } = bob
  const away = page.getByRole('main').getByRole('status').filter({ hasText: /Offline|The connection is lost|Connecting again/ })
  const sending = page.getByText('Sending…')
  const send = async (text) => {
    await bob.composer().fill(text)
    await page.getByRole('button', { name: /^Send/ }).tap()
  }
  await page.goto(`/s/${session}`)
  await bob.answer('the lid is open').waitFor()
  await bob.excusing(lost, async () => {
    world.note('a phone leaves its network')
    const growth = await watchGrowth(page)
    await send(`[pace 20ms] [say ${words}] [echo on the train]`)
    await growth.more(8)
    line.freeze()
    await bob.context.setOffline(true)
    const left = stopwatch()
    await away.waitFor()
    world.note(`it said so after ${left()} ms`)
    await send('[echo written in the tunnel]')
    await sending.waitFor()
    await elsewhere.until('the turn to end', `/sessions/${session}`, (s) => s.state === 'ready')
    assert.ok(!(await answers(bob)).includes('train'), 'the answer came without a network')

    world.note('and is in another')
    line.thaw()
    await bob.context.setOffline(false)
    const back = stopwatch()
    await bob.answer('on the train').waitFor()
    await away.waitFor({ state: 'detached' })
    world.note(`the truth was there after ${back()} ms`)
    await bob.answer('written in the tunnel').waitFor()
    await bob.untilDone()

    world.note('nobody tells that the network swallows all answers')
    line.freeze({ hears: true })
    const dead = stopwatch()
    await send('[echo sent into silence]')
    await elsewhere.until('the prompt to be heard and answered', `/sessions/${session}/events?after=0&limit=5000`, (list) => ends(list, 3))
    line.thaw()
    assert.equal(await sending.count(), 1, 'the page was told nothing')
    await bob.answer('sent into silence').waitFor()
    world.note(`the page found out, and the truth was there, after ${dead()} ms`)
    await sending.waitFor({ state: 'detached' })
    await bob.untilDone()
    await away.waitFor({ state: 'detached' })
  })
  const texts = ['the lid is open', 'on the train', 'written in the tunnel', 'sent into silence']
  const once = [...said(texts[0]), ...said(texts[1]), ...wordsOf(texts.slice(2).join(' '))]
  assert.deepEqual(await prompts(bob), texts)
  assert.deepEqual(await answers(bob), once, 'each word once, in order')
  const { items } = await elsewhere.api('GET', `/sessions/${session}/events?after=0&limit=5000`)
  assert.deepEqual(items.filter((e) => e.event.type === 'carrel.prompt').map((e) => /\[echo (.*)\]$/.exec(e.event.content)[1]), texts, 'each prompt was taken once')
  await page.reload()
  await bob.answer('sent into silence').waitFor()
  assert.deepEqual(await answers(bob), once, 'the same after a reload')
  await world.leave(bob)
}

/** A clock that can be set on as that of a machine that slept: the time of day leaps, timers do not. */
function clock() {
  const Real = Date
  let slept = 0
  globalThis.Date = class extends Real {
    constructor(...args) {
      super(...(args.length > 0 ? args : [Date.now()]))
    }
    static now() {
      return Real.now() + slept
    }
  }
  /** Gives what the conversation showed at that moment. */
  globalThis.leap = (ms) => {
    slept += ms
    return [...document.querySelectorAll('[role=log] .prose')].map((p) => p.innerText).join('\n')
  }
}

/** Puts the processes of all pages to sleep, and gives what wakes them. */
async function sleep(world) {
  const cdp = await world.browser.newBrowserCDPSession()
  const { processInfo } = await cdp.send('SystemInfo.getProcessInfo')
  await cdp.detach()
  const pages = processInfo.filter((p) => p.type === 'renderer').map((p) => p.id)
  for (const id of pages) process.kill(id, 'SIGSTOP')
  return () => pages.forEach((id) => process.kill(id, 'SIGCONT'))
}

function stopwatch() {
  const started = Date.now()
  return () => Date.now() - started
}

/** The list beside the conversation shows no more that it runs. */
async function settled(bob, session) {
  const link = bob.page.getByRole('navigation', { name: 'Sessions' }).locator(`a[href="/s/${session}"]`)
  await link.getByRole('img', { name: 'Ready' }).waitFor()
}

const ends = ({ items }, n) => items.filter((e) => e.event.type === 'result').length === n + 1
const answers = async (bob) => wordsOf(await bob.log().evaluate((log) => [...log.querySelectorAll('.prose')].map((p) => p.innerText).join('\n')))
/** What the prompts that are shown make Claude say last. */
const prompts = (bob) => bob.log().evaluate((log) => [...log.querySelectorAll('.whitespace-pre-wrap')].map((p) => /\[echo (.*)\]$/.exec(p.innerText)?.[1]))
