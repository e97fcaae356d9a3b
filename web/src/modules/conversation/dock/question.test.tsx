import { renderToStaticMarkup } from 'react-dom/server'
import { expect, it } from 'vitest'
import { Preview } from './QuestionCard'

const html = (text: string) => renderToStaticMarkup(<Preview text={text} />)

it('keeps the lines of a drawing in letters, and reads a fence as markdown', () => {
  expect(html('+---+\n| a |\n+---+')).toMatch(/^<pre[^>]*>\+---\+\n\| a \|\n\+---\+<\/pre>$/)
  expect(html('A box:\n\n```\n+---+\n```')).toContain('<p>A box:</p>')
})
