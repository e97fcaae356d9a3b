import { Tokenizer, type MarkedExtension, type Tokens } from 'marked'
import markedCjkFriendly from 'marked-cjk-friendly'

const cjk = /[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\u{20000}-\u{3fffd}]/u
const { emStrong, del } = markedCjkFriendly().tokenizer!

// An address has none of these unencoded; a host has no Chinese behind a Latin letter.
const ending = /(?=[\u3000-\u303f\uff00-\uffef“”…—])[\p{P}\p{S}]/u
const endingHost = /^((?:https?:\/\/|ftp:\/\/|www\.)[^\s/?#]*?[a-z\d])[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/iu

/**
 * Chinese, Japanese and Korean have no spaces between words: emphasis may end
 * in their punctuation right before a word, and an address right before theirs.
 * A text without them is read as CommonMark has it.
 */
export const chinese: MarkedExtension = {
  tokenizer: {
    emStrong(src, masked, before) {
      return /^[*_]/.test(src) && cjk.test(masked) ? emStrong!.call(this, src, masked, before) : false
    },
    del(src, masked, before) {
      return src.startsWith('~') && cjk.test(masked) ? del!.call(this, src, masked, before) : false
    },
    url(src) {
      const cut = src.slice(0, endingHost.exec(src)?.[1]?.length ?? src.search(/\s|$/)).split(ending, 1)[0]!
      return Tokenizer.prototype.url.call(this, cut) as Tokens.Link | undefined
    },
  },
}
