import { renderToStaticMarkup } from 'react-dom/server'
import { expect, it } from 'vitest'
import { Coded } from './Coded'

const drawn = (text: string) => renderToStaticMarkup(<Coded text={text} />).replace(/ class="[^"]*"/g, '')

it('makes code of what stands between backticks, and leaves one that stands alone', () => {
  expect(drawn('Run `carrel doctor` there.')).toBe('Run <code>carrel doctor</code> there.')
  expect(drawn('`a` and `b`')).toBe('<code>a</code> and <code>b</code>')
  expect(drawn('it`s')).toBe('it`s')
  expect(drawn('`a` it`s')).toBe('<code>a</code> it`s')
  expect(drawn('plain')).toBe('plain')
})
