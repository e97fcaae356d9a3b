import type { Token, Tokens } from 'marked'
import { createContext, memo, useContext, useRef, type ReactNode } from 'react'
import { CodeBlock } from '@/components/code/CodeBlock'
import { m } from '@/i18n/paraglide/messages.js'
import { plain, withoutBidi } from '@/components/plain'
import { Mermaid } from '@/components/code/Mermaid'
import { hiddenHost, nothingParsed, parse, safeHref, type Parsed } from './blocks'
import type { MathsToken } from './extensions'
import { Maths } from './Maths'

/** Where addresses lead that are relative to the text; null: nowhere. */
export interface Addresses {
  image: (href: string) => string | null
  link: (href: string, children: ReactNode) => ReactNode
}

const AddressContext = createContext<Addresses | null>(null)

/**
 * Markdown as elements. Raw HTML in it is shown as the text it is: nothing of
 * a model's output ever reaches the page as markup.
 */
export const Markdown = memo(function Markdown({ text, live = false, addresses = null }: { text: string; live?: boolean; addresses?: Addresses | null }) {
  // A cache of the last parse: the same text always gives the same blocks.
  const last = useRef<Parsed>(nothingParsed)
  const parsed = parse(text, live, last.current)
  last.current = parsed
  return (
    <AddressContext value={addresses}>
      <div className="prose">
        {parsed.blocks.map((block, i) => (
          <Block key={i} token={block} live={live && i >= parsed.blocks.length - 2} />
        ))}
      </div>
    </AddressContext>
  )
})

const Block = memo(function Block({ token, live }: { token: Token; live: boolean }) {
  return block(token, live)
})

function block(token: Token, live = false): ReactNode {
  switch (token.type) {
    case 'space':
    case 'def':
      return null
    case 'heading': {
      const t = token as Tokens.Heading
      // The conversation's own headings are above: a model's begin at the third level.
      const Tag = `h${Math.min(6, t.depth + 2)}` as 'h3'
      return <Tag>{inline(t.tokens)}</Tag>
    }
    case 'paragraph':
      return <p>{inline((token as Tokens.Paragraph).tokens)}</p>
    case 'code': {
      const t = token as Tokens.Code
      const language = (t.lang ?? '').split(/[\s,{]/)[0] ?? ''
      return language === 'mermaid' && !live ? <Mermaid code={t.text} /> : <CodeBlock code={t.text} language={language} live={live} />
    }
    case 'blockquote':
      return <blockquote className="prose">{blocks((token as Tokens.Blockquote).tokens)}</blockquote>
    case 'hr':
      return <hr />
    case 'list':
      return list(token as Tokens.List)
    case 'table':
      return table(token as Tokens.Table)
    case 'maths':
      return <Maths tex={(token as MathsToken).tex} display />
    case 'footnote':
      return (
        <p className="text-minor text-muted">
          <sup>{token.name}</sup> {inline(token.tokens)}
        </p>
      )
    case 'html':
      return <p className="whitespace-pre-wrap">{withoutBidi(token.raw.trimEnd())}</p>
    case 'text': {
      const t = token as Tokens.Text
      return t.tokens ? inline(t.tokens) : t.text
    }
  }
  return token.raw
}

function blocks(tokens: Token[]): ReactNode {
  return tokens.map((t, i) => <Block key={i} token={t} live={false} />)
}

function list(t: Tokens.List): ReactNode {
  const items = t.items.map((item, i) => (
    <li key={i} className={item.task ? 'task' : undefined}>
      {item.task && <input type="checkbox" checked={item.checked ?? false} aria-label={item.checked ? m.task_done() : m.task_open()} readOnly disabled className="me-1.5 align-[-0.1em]" />}
      {blocks(item.tokens.filter((x) => x.type !== 'checkbox'))}
    </li>
  ))
  return t.ordered ? <ol start={typeof t.start === 'number' ? t.start : 1}>{items}</ol> : <ul>{items}</ul>
}

function table(t: Tokens.Table): ReactNode {
  return (
    <div className="table">
      <table>
        <thead>
          <tr>
            {t.header.map((c, i) => (
              <th key={i} style={c.align ? { textAlign: c.align } : undefined}>
                {inline(c.tokens)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {t.rows.map((row, n) => (
            <tr key={n}>
              {row.map((c, i) => (
                <td key={i} style={c.align ? { textAlign: c.align } : undefined}>
                  {inline(c.tokens)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function inline(tokens: Token[] | undefined): ReactNode {
  return tokens?.map((t, i) => <Inline key={i} token={t} />)
}

function Inline({ token }: { token: Token }): ReactNode {
  const addresses = useContext(AddressContext)
  switch (token.type) {
    case 'strong':
      return <strong>{inline(token.tokens)}</strong>
    case 'em':
      return <em>{inline(token.tokens)}</em>
    case 'del':
      return <del>{inline(token.tokens)}</del>
    case 'codespan':
      return <code>{plain((token as Tokens.Codespan).text)}</code>
    case 'maths':
      return <Maths tex={(token as MathsToken).tex} display={(token as MathsToken).display} />
    case 'footnoteMark':
      return <sup>{token.name}</sup>
    case 'br':
      return <br />
    case 'escape':
      return (token as Tokens.Escape).text
    case 'link': {
      const t = token as Tokens.Link
      const href = safeHref(t.href)
      if (href === null) return addresses?.link(t.href, inline(t.tokens)) ?? <>{inline(t.tokens)}</>
      return (
        <Away text={t.text} href={href} title={t.title ?? undefined}>
          {inline(t.tokens)}
        </Away>
      )
    }
    case 'image': {
      // Loading it would tell another host that, and when, this was read.
      const t = token as Tokens.Image
      const own = addresses?.image(t.href)
      if (own) return <img src={own} alt={t.text} title={t.title ?? undefined} className="max-w-full" loading="lazy" />
      const href = safeHref(t.href)
      const name = withoutBidi(t.text || t.href)
      return href === null ? (
        <>{name}</>
      ) : (
        <Away text={t.text || t.href} href={href}>
          {name}
        </Away>
      )
    }
    case 'text': {
      const t = token as Tokens.Text
      return t.tokens ? <>{inline(t.tokens)}</> : withoutBidi(unescape(t.text))
    }
  }
  return token.raw
}

/** A link to elsewhere, with its host where its text may hide that. */
function Away({ text, href, title, children }: { text: string; href: string; title?: string | undefined; children: ReactNode }) {
  const host = hiddenHost(text, href)
  return (
    <>
      <a href={href} title={title} target="_blank" rel="noopener noreferrer">
        <bdi>{children}</bdi>
      </a>
      {host !== null && <span className="text-muted"> ({host})</span>}
    </>
  )
}

/** marked leaves entities in a text as they are; the common ones are read here. */
function unescape(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|#39|nbsp);/g, (_, name: string) => ({ amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", nbsp: '\u00a0' })[name] ?? '')
}
