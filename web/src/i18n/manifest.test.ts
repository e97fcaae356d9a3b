import { expect, it } from 'vitest'
import { inChinese } from '../../manifest-build'
import en from '../../messages/en.json'
import zh from '../../messages/zh-CN.json'
import english from '../../public/manifest.webmanifest?raw'

it('says the manifest in the page’s own words', () => {
  const before = JSON.parse(english)
  const made = inChinese(before, en, zh)
  expect(made.shortcuts.map((s) => s.name)).toEqual(['新会话', '文件', '终端'])
  expect(made.lang).toBe('zh-CN')
  expect(made.description).toMatch(/[一-龥]/)
  expect({ ...made, lang: 'en', description: before.description, shortcuts: before.shortcuts }).toEqual(before)
  expect(() => inChinese({ ...before, shortcuts: [{ name: 'New chat', url: '/?add=true' }] }, en, zh)).toThrow('New chat')
})
