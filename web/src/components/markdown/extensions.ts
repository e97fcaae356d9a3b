import type { TokenizerAndRendererExtension, TokenizerThis } from 'marked'

/** What markdown has beside CommonMark and tables: maths, and footnotes. */

export interface MathsToken {
  type: 'maths'
  raw: string
  tex: string
  display: boolean
}

const blockMaths: TokenizerAndRendererExtension = {
  name: 'maths',
  level: 'block',
  start: (text) => /(^|\n) {0,3}(\$\$|\\\[)/.exec(text)?.index,
  tokenizer(text) {
    const found = /^ {0,3}(?:\$\$([^$]+?)\$\$|\\\[([\s\S]+?)\\\])[ \t]*(?:\n+|$)/.exec(text)
    return found ? { type: 'maths', raw: found[0], tex: (found[1] ?? found[2])!.trim(), display: true } : undefined
  },
}

// A dollar sign is money more often than maths: it opens only before what is no
// space, and closes only after what is none and before no digit.
const inlineMaths: TokenizerAndRendererExtension = {
  name: 'mathsInline',
  level: 'inline',
  start: (text) => /\$|\\\(/.exec(text)?.index,
  tokenizer(text) {
    const found = /^(?:\$\$([^$\n]+?)\$\$|\$(?![\s$])((?:\\[^\n]|[^\\$\n])*?[^\s\\$])\$(?![\d$])|\\\(([^\n]+?)\\\))/.exec(text)
    const tex = found?.[1] ?? found?.[2] ?? found?.[3]
    if (!found || tex === undefined || (found[2] !== undefined && isMoney(tex))) return undefined
    return { type: 'maths', raw: found[0], tex: tex.trim(), display: found[1] !== undefined }
  },
}

/** `$5 for one, or 8$`: begins with an amount, and has no sign of a formula. */
function isMoney(tex: string): boolean {
  return /^\d[\d.,]*(\s|[kKmM]\b|\/)/.test(tex) && !/[\\^_={}+*<>]/.test(tex)
}

const footnote: TokenizerAndRendererExtension = {
  name: 'footnote',
  level: 'block',
  start: (text) => /(^|\n)\[\^[^\]\s]{1,40}\]:/.exec(text)?.index,
  tokenizer(this: TokenizerThis, text) {
    const found = /^\[\^([^\]\s]{1,40})\]:[ \t]+([^\n]+(?:\n[ \t]+[^\n]+)*)(?:\n+|$)/.exec(text)
    return found ? { type: 'footnote', raw: found[0], name: found[1], tokens: this.lexer.inline(found[2]!, []) } : undefined
  },
}

const footnoteMark: TokenizerAndRendererExtension = {
  name: 'footnoteMark',
  level: 'inline',
  start: (text) => text.indexOf('[^'),
  tokenizer(text) {
    const found = /^\[\^([^\]\s]{1,40})\]/.exec(text)
    return found ? { type: 'footnoteMark', raw: found[0], name: found[1] } : undefined
  },
}

export const extensions = [blockMaths, inlineMaths, footnote, footnoteMark]
