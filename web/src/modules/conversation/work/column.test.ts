import { expect, it } from 'vitest'
import { clampWidth, mostIn, widthAfterKey, widths } from './column'

it('keeps the column between its widths, and room for the conversation', () => {
  expect(clampWidth(100, 1920)).toBe(280)
  expect(clampWidth(400.4, 1920)).toBe(400)
  expect(clampWidth(4000, 1920)).toBe(720)
  expect(clampWidth(720, 1280)).toBe(576)
  expect(mostIn(1200)).toBe(496)
  // However narrow the window, never less than the least.
  expect(clampWidth(500, 700)).toBe(widths.least)
})

it('moves the edge by keys: to the left is wider', () => {
  expect(widthAfterKey('ArrowLeft', 360, 1920)).toBe(376)
  expect(widthAfterKey('ArrowRight', 360, 1920)).toBe(344)
  expect(widthAfterKey('ArrowRight', 284, 1920)).toBe(280)
  expect(widthAfterKey('Home', 360, 1920)).toBe(280)
  expect(widthAfterKey('End', 360, 1280)).toBe(576)
  expect(widthAfterKey('a', 360, 1920)).toBeNull()
})
