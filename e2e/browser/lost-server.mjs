// The server is killed in the middle of an answer. The page says so, comes back
// by itself, and no word is lost or there twice.
import assert from 'node:assert/strict'
import { proseOf, watchGrowth, wordsOf } from './checks.mjs'

const away = [/WebSocket connection/, /ERR_CONNECTION_REFUSED/, /ERR_CONNECTION_RESET/, /ERR_EMPTY_RESPONSE/, /ERR_INCOMPLETE_CHUNKED/, /ERR_SOCKET_NOT_CONNECTED/]
const words = 400

export async function lostServerPart(world) {
  const bob = world.person('bob')
  const ada = world.person('ada')
  const { page } = bob
  const session = await bob.startProject('lost')
  await world.excusing(away, async () => {
    const growth = await watchGrowth(page)
    await bob.prompt(`[pace 25ms] [say ${words}]`)
    await growth.more(8)

    world.note('the server is killed')
    await world.ask('kill')
    const lost = page.getByRole('main').getByRole('status').filter({ hasText: /The connection is lost|Connecting again/ })
    await lost.waitFor()
    // What was said stays, nothing pretends that the turn has ended, and a draft can be written.
    assert.ok(wordsOf(await bob.log().textContent()).length > 8)
    assert.equal(await bob.log().getByText('Stopped', { exact: true }).count(), 0)
    assert.equal(await bob.log().getByRole('alert').count(), 0)
    await page.getByRole('button', { name: 'Stop', exact: true }).waitFor()
    await bob.composer().fill('[echo written without a server]')
    await page.getByRole('button', { name: /^Send/ }).click()
    await page.getByText('Sending…').waitFor()

    world.note('and started again')
    await world.ask('serve')
    await lost.waitFor({ state: 'detached' }) // by itself: nobody presses a button
    await bob.answer('written without a server').waitFor({ timeout: 60_000 })
    await bob.untilDone()
    await ada.page.getByRole('status').filter({ hasText: /The connection is lost|Connecting again/ }).first().waitFor({ state: 'detached' })
  })
  const { items } = await bob.api('GET', `/sessions/${session}/events?after=0&limit=5000`)
  const answers = items.map((e) => e.event).filter((e) => e.type === 'assistant' && !e.parent_tool_use_id)
  const said = answers.flatMap((e) => e.message.content).filter((b) => b.type === 'text').map((b) => b.text)
  assert.equal(said.length, 2, `two answers, not ${JSON.stringify(said)}`)
  const shown = wordsOf(await bob.log().evaluate((log) => [...log.querySelectorAll('.prose')].map((p) => p.innerText).join('\n')))
  assert.deepEqual(shown, [...proseOf(words), 'written', 'without', 'a', 'server'], 'each word once, in order')
  await page.reload()
  await bob.answer('written without a server').waitFor()
  const again = wordsOf(await bob.log().evaluate((log) => [...log.querySelectorAll('.prose')].map((p) => p.innerText).join('\n')))
  assert.deepEqual(again, shown, 'the same after a reload')
}
