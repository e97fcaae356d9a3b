import { isObj, list, obj, str, strings, type Obj } from '@/conversation/json'
import { m } from '@/i18n/paraglide/messages.js'
import { modeName } from '@/modules/sessions/words'

/** What a suggestion of the CLI would allow from now on, in words; and where it holds. */
export function suggestionText(s: Obj): string {
  const where = placeOf(str(s.destination))
  switch (str(s.type)) {
    case 'addRules': {
      const rules = list(s.rules).filter(isObj).map(ruleText).join(', ')
      return s.behavior === 'deny' ? m.always_deny({ what: rules, where }) : m.always_allow({ what: rules, where })
    }
    case 'addDirectories':
      return m.always_folder({ what: strings(s.directories).join(', '), where })
    case 'setMode':
      return m.always_mode({ mode: modeName(str(s.mode) ?? ''), where })
  }
  return m.always_other({ what: JSON.stringify(s) })
}

function ruleText(rule: Obj): string {
  const tool = str(rule.toolName) ?? ''
  const content = str(rule.ruleContent)
  if (content === undefined) return tool
  return tool === 'Bash' ? content : `${tool} ${content}`
}

function placeOf(destination: string | undefined): string {
  switch (destination) {
    case 'session':
      return m.where_session()
    case 'userSettings':
      return m.where_user()
  }
  return m.where_project()
}

/** The questions of an AskUserQuestion call. */
export interface Question {
  question: string
  header: string
  multi: boolean
  options: { label: string; description: string; preview: string }[]
}

export function questionsOf(input: Obj): Question[] {
  return list(input.questions).map((v) => {
    const q = obj(v)
    return {
      question: str(q.question) ?? '',
      header: str(q.header) ?? '',
      multi: q.multiSelect === true,
      options: list(q.options).map((o) => ({ label: str(obj(o).label) ?? '', description: str(obj(o).description) ?? '', preview: str(obj(o).preview) ?? '' })),
    }
  })
}

/** The answers as the CLI wants them: by the question's text, several joined. */
export function answersOf(questions: Question[], picked: readonly ReadonlySet<string>[], own: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    questions.map((q, i) => {
      const labels = q.options.map((o) => o.label).filter((l) => picked[i]?.has(l))
      const text = own[i]?.trim() ?? ''
      return [q.question, [...labels, ...(text ? [text] : [])].join(', ')]
    }),
  )
}

/** The option whose preview is shown: the one that is looked at, else the last that was picked, else the first that has one. None: no option has. */
export function previewedOf({ options }: Question, at: string | undefined, picked: ReadonlySet<string>): string | undefined {
  const first = options.find((o) => o.preview)?.label
  return first === undefined ? undefined : (at ?? [...picked].at(-1) ?? first)
}
