// A person's own account: language and looks, in every view.
import assert from 'node:assert/strict'
import { accessible, fits, noEnglish } from './checks.mjs'

const ground = (page) => page.evaluate(() => getComputedStyle(document.body).colorScheme)

export async function accountPart(world) {
  const ada = world.person('ada')
  const { page } = ada

  world.note('Chinese, at once and in every view')
  const session = await ada.startProject('chinese')
  // What people named is theirs, in any language.
  const [users, sessions, projects, record] = await Promise.all(['/users', '/sessions', '/projects', '/audit?action=token.*&limit=1000'].map((path) => ada.api('GET', path)))
  const order = '[write permission-card.txt 一盏灯]'
  const names = [...users.items.map((u) => u.username), ...sessions.items.map((s) => s.title), ...projects.items.map((p) => p.name), ...record.items.map((e) => e.detail.name), order, '/home/ada/projects/', 'permission-card.txt', await page.evaluate(() => navigator.userAgent)].filter(Boolean).sort((a, b) => b.length - a.length)
  await page.goto('/account')
  await page.getByLabel('Language', { exact: true }).selectOption('zh-CN')
  await page.getByRole('heading', { name: '语言与外观' }).waitFor()
  await noEnglish(page, 'account', names)
  await fits(page, 'account')

  await page.goto(`/s/${session}`)
  await page.getByRole('textbox', { name: '提示词' }).or(page.locator('[data-composer]')).first().fill(order)
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: '允许一次' }).waitFor()
  await noEnglish(page, 'permission card', names)
  await page.getByRole('button', { name: '允许一次' }).click()
  await page.getByRole('log').getByText('完成。').first().waitFor()
  await noEnglish(page, 'conversation', names)
  await page.getByRole('log').getByRole('button', { name: /permission-card\.txt/ }).waitFor()

  for (const path of ['/', '/projects', '/projects?add=true', '/admin/users', '/admin/instances', '/admin/server', '/admin/audit', '/more', '/nowhere']) {
    await page.goto(path)
    await page.waitForLoadState('networkidle')
    await noEnglish(page, path, names)
    await fits(page, path)
  }
  await page.goto('/')
  await page.getByRole('navigation').first().waitFor()
  for (const key of ['?', 'n', 'Control+k']) {
    await page.keyboard.press(key)
    await page.getByRole('dialog').waitFor()
    await noEnglish(page, `the dialog of the key ${key}`, names)
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
  }
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-CN')

  world.note('another device speaks the same language')
  const elsewhere = await world.seat('ada', undefined, { locale: 'en' })
  await elsewhere.page.goto('/')
  await elsewhere.signIn()
  await elsewhere.page.getByRole('link', { name: '项目' }).first().waitFor()

  world.note('it is signed out from here')
  await page.goto('/account')
  await page.getByText('当前浏览器').waitFor()
  await elsewhere.excusing([/401/], async () => {
    await page.getByRole('button', { name: '在其他所有设备上退出登录' }).click()
    await page.getByRole('dialog').getByRole('button', { name: '在其他所有设备上退出登录' }).click()
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await elsewhere.page.waitForURL('**/login*')
  })
  await page.getByRole('button', { name: '在其他所有设备上退出登录' }).waitFor({ state: 'detached' })
  await page.goto('/')
  await world.leave(elsewhere)

  world.note('all is found by a key')
  const found = page.getByRole('option')
  await page.getByRole('heading', { name: '最近的项目' }).waitFor() // the page listens
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox', { name: '查找' }).fill('一盏灯') // of the session's title
  await found.first().waitFor()
  await accessible(page, 'palette')
  await page.keyboard.press('Enter')
  await page.waitForURL(`**/s/${session}`)
  await page.locator('[data-composer]').focus()
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox', { name: '查找' }).waitFor()
  await page.keyboard.press('Escape')
  await page.waitForFunction(() => document.activeElement?.matches('[data-composer]')) // one writes on
  await page.keyboard.press('Control+k') // also where one types
  await page.getByRole('combobox', { name: '查找' }).fill('permission-card')
  await found.filter({ hasText: 'projects/chinese/permission-card.txt' }).click() // a file that Claude wrote
  await page.waitForURL('**/files/projects/chinese/permission-card.txt')
  await page.getByRole('dialog').waitFor({ state: 'detached' })

  world.note('dark and light')
  await page.goto('/account')
  await page.getByText('深色', { exact: true }).click()
  assert.equal(await ground(page), 'dark')
  await accessible(page, 'account, dark')
  await page.reload()
  await page.getByRole('heading', { name: '语言与外观' }).waitFor()
  assert.equal(await ground(page), 'dark')
  await page.getByText('浅色', { exact: true }).click()
  assert.equal(await ground(page), 'light')
  await accessible(page, 'account, light')
  await page.getByText('跟随系统', { exact: true }).click()
  await page.getByLabel('语言', { exact: true }).selectOption('en')
  await page.getByRole('heading', { name: 'Language and looks' }).waitFor()
}
