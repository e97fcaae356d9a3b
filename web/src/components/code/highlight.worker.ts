import { colour, type Piece } from './grammars'
import type { Language } from './languages'

export interface Asked {
  id: number
  code: string
  language: Language
}

export interface Told {
  id: number
  lines: Piece[][] | null // null: a grammar or a file that does not load costs the colours, not the text
}

addEventListener('message', (e: MessageEvent<Asked>) => {
  const { id, code, language } = e.data
  const tell = (lines: Told['lines']) => postMessage({ id, lines } satisfies Told)
  colour(code, language).then(tell, () => tell(null))
})
