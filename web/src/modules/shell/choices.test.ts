import { describe, expect, it } from 'vitest'
import { found, type Choice } from './choices'

const all: Choice[] = [
  { key: 'new', group: 'do', text: 'New session' },
  { key: 's1', group: 'sessions', text: 'Add retry to the fetcher', note: 'fetcher' },
  { key: 's2', group: 'sessions', text: 'Fetch less', note: 'thesis' },
  { key: 's3', group: 'sessions', text: '整理实验报告的图表', note: '实验报告' },
  ...Array.from({ length: 20 }, (_, i): Choice => ({ key: `p${i}`, group: 'projects', text: `project ${i}` })),
]
const keys = (typed: string) => found(all, typed).map((c) => c.key)

describe('the choices of the palette', () => {
  it('have every word, in the name or where they belong', () => {
    expect(keys('retry FETCHER')).toEqual(['s1'])
    expect(keys('thesis')).toEqual(['s2'])
    expect(keys('报告')).toEqual(['s3'])
    expect(keys('nothing of it')).toEqual([])
  })
  it('put first what begins so', () => {
    expect(keys('fetch')).toEqual(['s2', 's1'])
  })
  it('are a few of each group', () => {
    expect(keys('')).toHaveLength(1 + 3 + 6)
  })
})
