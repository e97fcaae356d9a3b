// Snapshots: taken, restored after something went wrong, deleted.
import assert from 'node:assert/strict'
import { accessible, fits, picture, targets } from './checks.mjs'
import { phone } from './world.mjs'

export async function snapshotsPart(world) {
  const bob = world.person('bob')
  const { page } = bob
  world.note('an empty page offers the first one')
  await bob.api('PUT', '/files/content?path=temp/letter.txt', { data: 'before', status: 201 })
  await page.goto('/')
  await page.getByRole('button', { name: 'bob', exact: true }).click()
  await page.getByRole('menuitem', { name: 'Snapshots' }).click()
  await page.getByText('No snapshots yet').waitFor()
  await page.getByRole('main').getByRole('button', { name: 'Take a snapshot' }).click()
  const lines = page.getByRole('main').getByRole('listitem')
  await lines.filter({ hasText: 'Taken by you' }).waitFor()

  world.note('what could not be taken is told')
  await bob.api('POST', '/commands', { data: { argv: ['sh', '-c', 'mkdir temp/deep && cd temp/deep && i=0 && while [ $i -lt 1100 ]; do mkdir d && cd d || exit 1; i=$((i+1)); done'] } })
  await page.getByRole('button', { name: 'Take a snapshot' }).click()
  await page.getByText('without 1 file or folder').waitFor()
  await page.getByText(/The first: .*temp\/deep/).waitFor()
  await accessible(page, 'a snapshot without some files')
  await picture(world, page, 'snapshot-skipped')
  await bob.api('POST', '/commands', { data: { argv: ['rm', '-rf', 'temp/deep'] } })
  await lines.first().getByRole('button', { name: /^Menu of the snapshot/ }).click()
  await page.getByRole('menuitem', { name: 'Delete' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await lines.nth(1).waitFor({ state: 'detached' })

  world.note('back to it')
  await bob.api('PUT', '/files/content?path=temp/letter.txt', { data: 'after', status: 200 })
  await lines.getByRole('button', { name: 'Restore' }).click()
  await accessible(page, 'restore a snapshot')
  await page.getByRole('dialog').getByRole('button', { name: 'Restore' }).click()
  await lines.filter({ hasText: 'Before a restore' }).waitFor({ timeout: 60_000 })
  assert.equal(await bob.file('temp/letter.txt'), 'before')
  await fits(page, 'snapshots')
  await accessible(page, 'snapshots')
  await picture(world, page, 'snapshots')

  world.note('on a phone')
  const small = await world.seat('bob', phone)
  await small.signIn()
  await small.page.goto('/more')
  await small.page.getByRole('link', { name: 'Snapshots' }).tap()
  await small.page.getByText('Before a restore').waitFor()
  await fits(small.page, 'snapshots on a phone')
  await targets(small.page, 'snapshots on a phone')
  await picture(world, small.page, 'snapshots-phone')
  await world.leave(small)

  world.note('deleted')
  for (const kind of ['Before a restore', 'Taken by you']) {
    await lines.filter({ hasText: kind }).getByRole('button', { name: /^Menu of the snapshot/ }).click()
    await page.getByRole('menuitem', { name: 'Delete' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await lines.filter({ hasText: kind }).waitFor({ state: 'detached' })
  }
  await page.getByText('No snapshots yet').waitFor()
}
