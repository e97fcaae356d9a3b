import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

it('hides nothing until a pointer is over it where there is none', () => {
  const root = new URL('..', import.meta.url).pathname
  const classes = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((f) => f.endsWith('.tsx'))
    .flatMap((f) => [...readFileSync(join(root, f), 'utf8').matchAll(/(["'`])((?:(?!\1)[^\n])*group-hover:opacity-100(?:(?!\1)[^\n])*)\1/g)].map((x) => x[2]!))
  expect(classes.length).toBeGreaterThan(0)
  expect(classes.filter((c) => c.split(' ').some((name) => name.endsWith('opacity-0') && !name.includes('mouse:')))).toEqual([])
})
