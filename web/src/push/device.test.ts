import { expect, it } from 'vitest'
import { bytesOf, knownName, nameOf } from './device'

it('names browsers as people do', () => {
  expect(nameOf('Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36')).toBe('Chrome, Android')
  expect(nameOf('Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1')).toBe('Safari, iPhone')
  expect(nameOf('Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0')).toBe('Edge, Windows')
  expect(nameOf('Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0')).toBe('Firefox, Linux')
  expect(nameOf('')).toBe('Browser')
  expect(knownName('curl/8.9')).toBe('')
})

it('reads a key', () => {
  expect([...bytesOf('AP-_')]).toEqual([0, 255, 191])
})
