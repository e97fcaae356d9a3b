import { afterEach, expect, it, vi } from 'vitest'
import { copiedText } from './clipboard'

afterEach(() => vi.unstubAllGlobals())

it('reads what was copied, and says so where the browser refuses it or has no clipboard', async () => {
  vi.stubGlobal('navigator', { clipboard: { readText: async () => 'ls' } })
  expect(await copiedText()).toBe('ls')
  vi.stubGlobal('navigator', { clipboard: { readText: () => Promise.reject(new DOMException('no', 'NotAllowedError')) } })
  expect(await copiedText()).toBeNull()
  vi.stubGlobal('navigator', {})
  expect(await copiedText()).toBeNull()
})
