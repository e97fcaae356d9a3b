import { expect, it } from 'vitest'
import { partialObject } from './json'

it.each([
  ['{"command":"ls -l', { command: 'ls -l' }],
  ['{"command":"ls","des', { command: 'ls', des: null }],
  ['{"command":"ls",', { command: 'ls' }],
  ['{"command":', { command: null }],
  ['{"a":{"b":[1,2', { a: { b: [1, 2] } }],
  ['{"a":"x\\', { a: 'x' }],
  ['', {}],
  ['nonsense', {}],
  ['{"a":1}', { a: 1 }],
])('reads %s as far as it goes', (text, want) => {
  expect(partialObject(text)).toEqual(want)
})
