import { getLocale } from './locale'

/** In the order in which people count: 2 before 10. */
export function byName<T extends { name: string }>(things: readonly T[]): T[] {
  const { compare } = new Intl.Collator(getLocale(), { numeric: true })
  return things.toSorted((a, b) => compare(a.name, b.name))
}
