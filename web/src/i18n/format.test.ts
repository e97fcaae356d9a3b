import { afterEach, expect, it, vi } from 'vitest'

afterEach(() => {
  vi.doUnmock('./locale')
  vi.resetModules()
})

it('puts a space between digits and Chinese, as the messages do', async () => {
  vi.resetModules() // other tests have it in another language
  vi.doMock('./locale', () => ({ getLocale: () => 'zh-CN' }))
  const { ago, compact, duration } = await import('./format')
  expect(duration(100)).toBe('0.1 秒')
  expect(duration(523_000)).toBe('8 分钟 43 秒')
  expect(duration(9_940)).toBe('9.9 秒')
  expect(duration(9_960)).toBe('10 秒')
  expect(duration(59_400)).toBe('59 秒')
  expect(duration(59_600)).toBe('1 分钟 0 秒')
  expect(duration(119_600)).toBe('2 分钟 0 秒')
  expect(duration(3_599_600)).toBe('1 小时 0 分钟')
  expect(duration(2 * 86_400_000 - 400)).toBe('2 天 0 小时')
  expect(duration(90_000_000)).toBe('25 小时 0 分钟')
  expect(compact(16_000)).toBe('1.6 万')
  const at = '2026-03-01T12:00:00Z'
  expect(ago(at, Date.parse(at) + 17 * 60_000)).toBe('17 分钟前')
  expect(ago(at, Date.parse(at) + 3 * 3_600_000)).toBe('3 小时前')
})
