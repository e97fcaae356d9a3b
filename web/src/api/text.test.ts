import { expect, it } from 'vitest'
import { archiveUrl, contentUrl, decode, naming, querying } from './text'

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

it('reads what was written on other machines, and says in what', () => {
  const of = (...bytes: number[]) => decode(new Uint8Array(bytes).buffer)
  const ascii = (text: string) => [...text].map((c) => c.charCodeAt(0))
  expect(of(...new TextEncoder().encode('姓名\n'))).toEqual({ text: '姓名\n', crlf: false })
  expect(of()).toEqual({ text: '', crlf: false })
  // 姓名,年龄 as Excel writes it in China
  expect(of(0xd0, 0xd5, 0xc3, 0xfb, 0x2c, 0xc4, 0xea, 0xc1, 0xe4, 0x0d, 0x0a)).toEqual({ text: '姓名,年龄\n', crlf: true, encoding: 'GB18030' })
  expect(of(0xff, 0xfe, 0x53, 0x5f, 0x0a, 0)).toEqual({ text: '当\n', crlf: false, encoding: 'UTF-16LE' })
  expect(of(0xfe, 0xff, 0x5f, 0x53)).toEqual({ text: '当', crlf: false, encoding: 'UTF-16BE' })
  const none = { text: null, crlf: false }
  expect(of(...ascii('Gr'), 0xf6, 0xdf, ...ascii('e f'), 0xfc, ...ascii('r V'), 0xf6, ...ascii('gel'))).toEqual(none) // Latin 1
  expect(of(0xff, 0xfe, 0x53)).toEqual(none)
  expect(of(0xd0, 0xd5, 0, 0xc3)).toEqual(none)
  expect(of(0x89, 0x50, 0x4e, 0x47)).toEqual(none)
})
