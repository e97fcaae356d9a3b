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
  it('put the very name first, then what begins so, has it, and has its words, before they are cut', () => {
    const sessions = Array.from({ length: 55 }, (_, i): Choice => ({ key: String(55 - i), group: 'sessions', text: `Session number ${55 - i}`, note: 'p' }))
    const first = (typed: string) => found(sessions, typed).map((c) => c.key)
    expect(first(' session  Number 4')).toEqual(['4', '49', '48', '47', '46', '45'])
    expect(first('number 55')).toEqual(['55'])
    expect(first('5 session').slice(0, 2)).toEqual(['55', '54'])
    expect(found([{ key: 'a', group: 'files', text: 'four of number' }, { key: 'b', group: 'files', text: 'the number four' }], 'number four').map((c) => c.key)).toEqual(['b', 'a'])
  })
  it('put a place that is named before what can be done there', () => {
    expect(found([{ key: 'new', group: 'do', text: 'New terminal' }, { key: 'place', group: 'places', text: 'Terminal' }], 'terminal').map((c) => c.key)).toEqual(['place', 'new'])
  })
  it('are a few of each group', () => {
    expect(keys('')).toHaveLength(1 + 3 + 6)
  })
})
