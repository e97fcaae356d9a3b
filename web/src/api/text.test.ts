import { expect, it } from 'vitest'
import { archiveUrl, contentUrl, naming, querying } from './text'

const latin1 = { path: 'temp/caf\uFFFD', encoded_path: 'temp/caf%E9' }

it('names a file by its bytes where its path is not UTF-8, and encodes them once', () => {
  expect(contentUrl(latin1, true)).toBe('/api/v1/files/content?path=temp/caf%E9&inline=1')
  expect(querying(latin1).querySerializer()).toBe('path=temp/caf%E9')
  expect(naming(latin1)).toEqual({ path: 'temp/caf%E9', encoded: true })
})

it('names any other by its path', () => {
  expect(contentUrl('temp/a&b')).toBe('/api/v1/files/content?path=temp%2Fa%26b')
  expect(archiveUrl({ path: '' })).toBe('/api/v1/files/archive?path=.')
  expect(naming({ path: 'a%E9' })).toEqual({ path: 'a%E9' })
})
