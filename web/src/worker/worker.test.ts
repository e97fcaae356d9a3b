import { describe, expect, it } from 'vitest'
import { fresh, withShared, type Shared } from '@/share/store'
import { isShare, sharedIn } from './share'
import { wayOf } from './shell'

const origin = 'https://carrel.example'
const shell = new Set(['/index.html', '/assets/index-1.js', '/early.js'])
const way = (path: string, mode: RequestMode = 'cors', method = 'GET') => wayOf({ url: new URL(path, origin).href, mode, method }, origin, shell)

describe('what the worker answers', () => {
  it('is the page and its files', () => {
    expect(way('/s/abc', 'navigate')).toBe('page')
    expect(way('/', 'navigate')).toBe('page')
    expect(way('/assets/index-1.js')).toBe('shell')
    expect(way('/early.js')).toBe('shell')
    expect(way('/assets/mermaid-1.js')).toBe('used')
  })
  it('is nothing of the server, of a person or of another place', () => {
    expect(way('/api/v1/files/content?path=a.html', 'navigate')).toBe('server')
    expect(way('/api/v1/me')).toBe('server')
    expect(way('/metrics', 'navigate')).toBe('server')
    expect(way('/worker.js')).toBe('server')
    expect(way('/assets/index-1.js', 'cors', 'POST')).toBe('server')
    expect(way('https://elsewhere.example/assets/index-1.js')).toBe('server')
    expect(way('/robots.txt')).toBe('server')
  })
})

describe('what is shared', () => {
  const form = (entries: [string, string | File][]) => {
    const f = new FormData()
    for (const [k, v] of entries) f.append(k, v)
    return f
  }
  it('is taken from a post to the share target alone', () => {
    expect(isShare({ method: 'POST', url: `${origin}/share` })).toBe(true)
    expect(isShare({ method: 'GET', url: `${origin}/share` })).toBe(false)
    expect(isShare({ method: 'POST', url: `${origin}/api/v1/share` })).toBe(false)
  })
  it('is said once, though apps put a link in two places', () => {
    expect(sharedIn(form([['title', 'Carrels'], ['text', 'see https://a.example/x'], ['url', 'https://a.example/x']]))).toEqual({ text: 'Carrels\nsee https://a.example/x', files: [] })
  })
  it('has its files, and no empty field for one', () => {
    const files = sharedIn(form([['text', ' '], ['files', new File(['a'], 'a.csv')], ['files', new File([], '')]])).files
    expect(files.map((f) => f.name)).toEqual(['a.csv'])
  })
  it('adds up, and is forgotten after a day', () => {
    const one: Shared = { text: 'one', files: [], at: 0 }
    const two: Shared = { text: 'two', files: [], at: 1000 }
    expect(withShared([one], two).map((s) => s.text)).toEqual(['one', 'two'])
    expect(fresh([one, two], 24 * 3600_000 + 500)).toEqual([two])
    expect(fresh(undefined, 0)).toEqual([])
  })
})
