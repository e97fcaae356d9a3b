import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Press, Pull, restMs, slackPx, type Finger } from './finger'

const at = (clientX: number, clientY: number, more: Partial<Finger> = {}): Finger => ({ pointerType: 'touch', isPrimary: true, clientX, clientY, ...more })

describe('a press', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())
  const begun = (finger = at(50, 60)) => {
    const onPress = vi.fn()
    const press = new Press(onPress)
    press.down(finger)
    return { press, onPress }
  }

  it('is a finger that rests, where it was set down', () => {
    const { press, onPress } = begun()
    vi.advanceTimersByTime(restMs - 1)
    expect(onPress).not.toHaveBeenCalled()
    expect(press.rested).toBe(false)
    vi.advanceTimersByTime(1)
    expect(onPress).toHaveBeenCalledExactlyOnceWith(at(50, 60))
    expect(press.rested).toBe(true)
  })
  it('may tremble', () => {
    const { press, onPress } = begun()
    press.move(at(50 + slackPx, 60))
    vi.advanceTimersByTime(restMs)
    expect(onPress).toHaveBeenCalledOnce()
  })
  it.each([
    ['up or down', 50, 61 + slackPx],
    ['sideways', 49 - slackPx, 60],
    ['aslant', 58, 68],
  ])('is none once the finger goes %s', (_, x, y) => {
    const { press, onPress } = begun()
    press.move(at(x, y))
    press.move(at(50, 60))
    vi.advanceTimersByTime(restMs)
    expect(onPress).not.toHaveBeenCalled()
    expect(press.rested).toBe(false)
  })
  it('is none when the finger is lifted or the browser takes it for a scroll', () => {
    const { press, onPress } = begun()
    press.stop()
    vi.advanceTimersByTime(restMs)
    expect(onPress).not.toHaveBeenCalled()
  })
  it('is none with a second finger', () => {
    const { press, onPress } = begun()
    press.down(at(80, 60, { isPrimary: false }))
    vi.advanceTimersByTime(2 * restMs)
    expect(onPress).not.toHaveBeenCalled()
  })
  it('is none with a mouse, however long', () => {
    const { press, onPress } = begun(at(50, 60, { pointerType: 'mouse' }))
    vi.advanceTimersByTime(2 * restMs)
    expect(onPress).not.toHaveBeenCalled()
    expect(press.touching).toBe(false)
  })
  it('that the browser has told is not told again, and the next tap is a tap', () => {
    const { press, onPress } = begun()
    press.rest()
    vi.advanceTimersByTime(restMs)
    expect(onPress).not.toHaveBeenCalled()
    expect(press.rested).toBe(true)
    press.down(at(50, 60))
    expect(press.rested).toBe(false)
  })
})

describe('a pull', () => {
  /** A finger that is moved to these heights, 20 ms each, and let go where it is. */
  const pulled = (heights: number[], { rests = 0, x = 0, ...more }: { rests?: number; x?: number } & Partial<Finger> = {}) => {
    const pull = new Pull()
    pull.down(at(100, 100, more), 0)
    const followed = heights.map((y, i) => pull.move(at(100 + x, 100 + y, more), 20 * (i + 1)))
    return { followed, end: pull.up(at(100 + x, 100 + heights.at(-1)!, more), 20 * heights.length + rests) }
  }

  it('follows the finger once it is more than a tap, and never above where it was', () => {
    expect(pulled([slackPx, slackPx + 1, 40, -5]).followed).toEqual([null, slackPx + 1, 40, 0])
    expect(pulled([slackPx]).end).toBeNull()
  })
  it('has it away when it was far, also slowly', () => {
    expect(pulled([60, 100, 115, 125], { rests: 500 }).end).toBe('away')
    expect(pulled([60, 100, 115], { rests: 500 }).end).toBe('back')
  })
  it('has it away when it was fast, and not when the finger stopped before it let go', () => {
    expect(pulled([20, 45], { rests: 8 }).end).toBe('away')
    expect(pulled([20, 45], { rests: 200 }).end).toBe('back')
  })
  it('has it back when it was pushed up again', () => {
    expect(pulled([100, 200, 150]).end).toBe('back')
  })
  it('is none when the finger goes up or sideways first', () => {
    expect(pulled([-20, 200]).followed).toEqual([null, null])
    expect(pulled([15, 200], { x: 30 }).followed).toEqual([null, null])
    expect(pulled([15, 200], { x: 30 }).end).toBeNull()
  })
  it('is none with a mouse or a second finger', () => {
    expect(pulled([50, 200], { pointerType: 'mouse' })).toMatchObject({ followed: [null, null], end: null })
    const pull = new Pull()
    pull.down(at(100, 100), 0)
    expect(pull.move(at(100, 150), 20)).toBe(50)
    pull.down(at(150, 100, { isPrimary: false }), 30)
    expect(pull.move(at(100, 250), 40)).toBeNull()
    expect(pull.up(at(100, 250), 50)).toBeNull()
  })
  it('tells whether something is to be put back when it is stopped', () => {
    const pull = new Pull()
    pull.down(at(100, 100), 0)
    expect(pull.stop()).toBe(false)
    pull.down(at(100, 100), 0)
    pull.move(at(100, 150), 20)
    expect(pull.stop()).toBe(true)
    expect(pull.stop()).toBe(false)
  })
})
