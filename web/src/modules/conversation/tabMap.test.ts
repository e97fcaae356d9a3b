import { expect, it } from 'vitest'
import type { Place } from './places'
import { TabMap } from './tabMap'

function storage() {
  const held = new Map<string, string>()
  return { held, getItem: (k: string) => held.get(k) ?? null, setItem: (k: string, v: string) => void held.set(k, v), removeItem: (k: string) => void held.delete(k) }
}

const open = (store: ConstructorParameters<typeof TabMap>[0]) => new TabMap<Place>(store, 'carrel.places')
const place = (seq: number) => ({ row: `r${seq}`, seq, top: -12, from: 'r1' })

it('keeps what it holds over a reload, those of the last conversations', () => {
  const store = storage()
  const places = open(store)
  for (let i = 0; i < 60; i++) places.set(`s${i}`, place(i))
  const again = open(store)
  expect(again.get('s59')).toEqual(place(59))
  expect(again.get('s10')).toEqual(place(10))
  expect(again.get('s9')).toBeUndefined()
  again.set('s59', undefined)
  expect(open(store).get('s59')).toBeUndefined()
})

it('leaves nothing behind, and does without storage', () => {
  const store = storage()
  const places = open(store)
  places.set('s', place(1))
  places.clear()
  expect(store.held.size).toBe(0)
  store.held.set('carrel.places', '{')
  expect(open(store).get('s')).toBeUndefined()
  const none = open(null)
  none.set('s', place(1))
  expect(none.get('s')).toEqual(place(1))
})
