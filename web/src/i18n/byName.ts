import { getLocale } from './locale'

/** In the order in which people count: 2 before 10. */
export function byName<T extends { name: string }>(things: readonly T[]): T[] {
  const compare = comparing()
  return things.toSorted((a, b) => compare(a.name, b.name))
}

/** Compares texts so. */
export const comparing = (): ((a: string, b: string) => number) => new Intl.Collator(getLocale(), { numeric: true }).compare
