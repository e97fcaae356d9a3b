import { expect, it } from 'vitest'
import { onApple } from './install'

it('knows an iPad by its touches, as it calls itself a Mac', () => {
  const mac = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15'
  expect(onApple(mac, 5)).toBe(true)
  expect(onApple(mac, 0)).toBe(false)
  expect(onApple('Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15', 5)).toBe(true)
  expect(onApple('Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36', 5)).toBe(false)
})
