import { renderToStaticMarkup } from 'react-dom/server'
import { expect, it } from 'vitest'
import { ApiError } from '@/api/client'
import { FormFailure } from './Notice'

const shown = (error: unknown) => renderToStaticMarkup(<FormFailure error={error} fields={['name', 'password']} />).replace(/<[^>]+>/g, '|')
const problem = (code: string, detail: string, ...at: string[]) => new ApiError({ status: 400, code, detail, errors: at.map((location) => ({ location, message: 'too long' })) })

it('says what is wrong with a form once', () => {
  expect(shown(null)).toBe('')
  expect(shown(problem('invalid', 'Bad input.', 'body.name'))).toBe('')
  expect(shown(problem('invalid', 'Bad input.', 'body.name', 'body.age'))).toContain('Bad input.')
  expect(shown(problem('invalid', 'Bad input.'))).toContain('Bad input.')
  expect(shown(new TypeError('no network'))).not.toBe('')
})

it('calls a wrong password wrong, and no lack of permission', () => {
  expect(shown(problem('forbidden', 'The password is wrong.')).replaceAll('|', '')).toBe('The password is wrong.')
})
