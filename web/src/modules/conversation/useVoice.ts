import { useEffect, useRef, useState } from 'react'
import { getLocale } from '@/i18n/locale'

// The browser's speech recognition, as far as it is used here; TypeScript does not know it.
interface Recognition {
  lang: string
  continuous: boolean
  interimResults: boolean
  onresult: ((e: { resultIndex: number; results: ArrayLike<ArrayLike<{ transcript: string }> & { isFinal: boolean }> }) => void) | null
  onend: (() => void) | null
  onerror: ((e: { error: string }) => void) | null
  start(): void
  stop(): void
  abort(): void
}

function recognition(): (new () => Recognition) | undefined {
  if (typeof window === 'undefined') return undefined
  const w = window as unknown as Record<string, (new () => Recognition) | undefined>
  return w.SpeechRecognition ?? w.webkitSpeechRecognition
}

export interface Voice {
  listening: boolean
  /** What it takes to be said just now; it may change its mind. */
  heard: string
  /** It was not allowed, or did not work. */
  failed: boolean
  toggle: () => void
}

/** A text with what was said after it. Chinese has no spaces between words. */
export function takeDown(text: string, words: string): string {
  const [before, after] = [text.trimEnd(), words.trim()]
  const close = /[\p{Script=Han}\u3000-\u303f\uff00-\uffef]$/u.test(before) && /^[\p{Script=Han}\u3000-\u303f\uff00-\uffef]/u.test(after)
  return [before, after].filter(Boolean).join(close ? '' : ' ')
}

/** Takes down what the user says. null where the browser cannot. */
export function useVoice(onSaid: (words: string) => void): Voice | null {
  const [listening, setListening] = useState(false)
  const [heard, setHeard] = useState('')
  const [failed, setFailed] = useState(false)
  const now = useRef<Recognition | null>(null)
  const said = useRef(onSaid)
  said.current = onSaid
  useEffect(() => () => now.current?.abort(), [])
  const Make = recognition()
  if (!Make) return null
  const toggle = () => {
    if (now.current) return now.current.stop()
    const r = new Make()
    r.lang = getLocale()
    r.continuous = true
    r.interimResults = true
    r.onresult = (e) => {
      const results = Array.from(e.results).slice(e.resultIndex)
      const words = (sure: boolean) => results.filter((one) => one.isFinal === sure).map((one) => one[0]!.transcript).join('')
      if (words(true) !== '') said.current(words(true))
      setHeard(words(false))
    }
    r.onerror = (e) => setFailed(e.error !== 'aborted' && e.error !== 'no-speech')
    r.onend = () => {
      now.current = null
      setListening(false)
      setHeard('')
    }
    try {
      r.start()
    } catch {
      return setFailed(true)
    }
    now.current = r
    setFailed(false)
    setListening(true)
  }
  return { listening, heard, failed, toggle }
}
