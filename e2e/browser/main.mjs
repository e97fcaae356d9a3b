// Drives a real browser for TestBrowser. Reads the name of a part a line, runs
// it, and says on standard output what it is at and what is wrong.
import { createInterface } from 'node:readline'
import { accountPart } from './account.mjs'
import { administratorPart } from './administrator.mjs'
import { awayPart } from './away.mjs'
import { backPart } from './back.mjs'
import { dayPart } from './day.mjs'
import { filesPart } from './files.mjs'
import { homePart } from './home.mjs'
import { hostilePart } from './hostile.mjs'
import { lostServerPart } from './lost-server.mjs'
import { phonePart } from './phone.mjs'
import { picturesPart } from './pictures.mjs'
import { composerPart } from './composer.mjs'
import { pwaPart } from './pwa.mjs'
import { chromium } from './playwright.mjs'
import { snapshotsPart } from './snapshots.mjs'
import { terminalPart } from './terminal.mjs'
import { toolsPart } from './tools.mjs'
import { twoPeoplePart } from './two-people.mjs'
import { workPart } from './work.mjs'
import { World } from './world.mjs'

const parts = {
  'two people': twoPeoplePart,
  tools: toolsPart,
  composer: composerPart,
  files: filesPart,
  'lost server': lostServerPart,
  away: awayPart,
  administrator: administratorPart,
  account: accountPart,
  home: homePart,
  hostile: hostilePart,
  day: dayPart,
  phone: phonePart,
  snapshots: snapshotsPart,
  terminal: terminalPart,
  work: workPart,
  back: backPart,
  pwa: pwaPart,
  pictures: picturesPart,
}

const say = (message) => process.stdout.write(JSON.stringify(message) + '\n')
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const ask = async (what) => {
  say({ do: what })
  await lines.next()
}

// A wait that fails before its part asks for it fails there, with a picture; by itself it would end this process and every part with it.
process.on('unhandledRejection', (e) => say({ failed: `nobody waited for this: ${e?.stack ?? e}` }))

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})
const world = new World({ browser, url: process.env.CARREL_URL, code: process.env.CARREL_SETUP_CODE, pictures: process.env.PICTURES, say, ask })
for (let line = await lines.next(); !line.done; line = await lines.next()) {
  const started = Date.now()
  try {
    await parts[line.value](world)
  } catch (e) {
    say({ failed: `${e.stack}\n${await world.whereabouts(line.value)}` })
  }
  for (const problem of world.takeProblems()) say({ failed: problem })
  say({ note: `${((Date.now() - started) / 1000).toFixed(1)} s` })
  say({ done: true })
}
await browser.close()
