import { describe, expect, it } from 'vitest'
import { isNews, SeenSessions } from './seen'

const shelf = (kept: Record<string, string> = {}) => ({
  kept,
  getItem: (k: string) => kept[k] ?? null,
  setItem: (k: string, v: string) => void (kept[k] = v),
})
const session = (id: string, at: string, state: 'ready' | 'dormant' | 'running' | 'waiting' = 'ready') => ({ id, state, last_activity_at: at })

describe('seen sessions', () => {
  it('take what was there before for old news, and what ends later for new', () => {
    const s = new SeenSessions(shelf(), () => '2026-02-01T10:00:00Z')
    expect(isNews(session('a', '2026-02-01T09:00:00Z'), s.get())).toBe(false)
    expect(isNews(session('a', '2026-02-01T11:00:00Z'), s.get())).toBe(true)
    expect(isNews(session('a', '2026-02-01T11:00:00Z', 'running'), s.get())).toBe(false)
    expect(isNews(session('a', '2026-02-01T11:00:00Z', 'waiting'), s.get())).toBe(false)
  })
  it('are no news once they were looked at, until more comes, also after a reload', () => {
    const kept = shelf()
    const s = new SeenSessions(kept, () => '2026-02-01T10:00:00Z')
    s.note(session('a', '2026-02-01T11:00:00Z'))
    expect(isNews(session('a', '2026-02-01T11:00:00Z'), s.get())).toBe(false)
    const again = new SeenSessions(kept, () => '2026-02-01T15:00:00Z')
    expect(isNews(session('a', '2026-02-01T11:00:00Z'), again.get())).toBe(false)
    expect(isNews(session('a', '2026-02-01T12:00:00Z'), again.get())).toBe(true)
    expect(isNews(session('b', '2026-02-01T12:00:00Z'), again.get())).toBe(true)
    s.note(session('a', '2026-02-01T10:30:00Z')) // an older look tells nothing
    expect(s.get().at.a).toBe('2026-02-01T11:00:00Z')
  })
  it('forget with the sign-out, hold without a storage, and survive a spoilt one', () => {
    const kept = shelf()
    const s = new SeenSessions(kept, () => '2026-02-01T10:00:00Z')
    s.note(session('a', '2026-02-01T11:00:00Z'))
    s.forget()
    expect(s.get().at).toEqual({})
    expect(JSON.stringify(kept.kept)).not.toContain('"a"')
    expect(new SeenSessions(null).get().at).toEqual({})
    expect(new SeenSessions(shelf({ 'carrel.seen': '{"since":1}' }), () => 'now').get().since).toBe('now')
    expect(new SeenSessions(shelf({ 'carrel.seen': '{' }), () => 'now').get().since).toBe('now')
  })
  it('remember only so many', () => {
    const s = new SeenSessions(shelf(), () => '2026-02-01T10:00:00Z')
    s.note(...Array.from({ length: 600 }, (_, i) => session(`s${i}`, `2026-02-01T11:00:00.${String(i).padStart(3, '0')}Z`)))
    expect(Object.keys(s.get().at)).toHaveLength(500)
    expect(s.get().at.s599).toBeDefined()
    expect(s.get().at.s0).toBeUndefined()
  })
})
