import { autocompletion } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { bracketMatching, foldGutter, HighlightStyle, indentOnInput, indentUnit, LanguageDescription, syntaxHighlighting } from '@codemirror/language'
import { languages } from '@codemirror/language-data'
import { highlightSelectionMatches, openSearchPanel, search, searchKeymap } from '@codemirror/search'
import { Compartment, EditorState, Transaction } from '@codemirror/state'
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { useEffect, useRef } from 'react'
import { m } from '@/i18n/paraglide/messages.js'
import { difference, indentOf } from './edit'
import { nameOf, shownName } from './paths'

interface Props {
  path: string
  text: string
  /** It can be read and not changed. */
  fixed: boolean
  onChange: (text: string) => void
  onSave: () => void
  /** Line to go to, from 1. */
  line?: number
  /** How often the search was asked for, by its button. */
  sought: number
}

/** A text in the editor. What comes in as `text` from elsewhere is put in as the change that it is: the cursor stays. */
export default function Editor({ path, text, fixed, onChange, onSave, line, sought }: Props) {
  const place = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView>(null)
  const said = useRef(text)
  const calls = useRef({ onChange, onSave })
  useEffect(() => {
    calls.current = { onChange, onSave }
  })

  useEffect(() => {
    const language = new Compartment()
    const editor = new EditorView({
      parent: place.current!,
      state: EditorState.create({
        doc: said.current,
        extensions: [
          // Only a line feed ends a line: other signs stay in it and are saved as they were.
          EditorState.lineSeparator.of('\n'),
          EditorState.readOnly.of(fixed),
          lineNumbers(), foldGutter(), highlightActiveLine(), highlightActiveLineGutter(), history(), drawSelection(), indentOnInput(), bracketMatching(), highlightSelectionMatches(),
          autocompletion({ activateOnTyping: false }),
          search({ top: true }),
          indentUnit.of(indentOf(said.current)),
          EditorState.tabSize.of(4),
          EditorState.phrases.of(phrases()),
          EditorView.contentAttributes.of({ 'aria-label': m.editor_label({ name: shownName(path) }) }),
          EditorView.lineWrapping,
          syntaxHighlighting(colours), look,
          keymap.of([
            { key: 'Mod-s', preventDefault: true, run: () => (calls.current.onSave(), true) },
            ...searchKeymap, ...historyKeymap, ...defaultKeymap, indentWithTab,
          ]),
          EditorView.updateListener.of((u) => {
            if (!u.docChanged || u.transactions.some((t) => t.annotation(Transaction.remote))) return
            said.current = u.state.doc.toString()
            calls.current.onChange(said.current)
          }),
          language.of([]),
        ],
      }),
    })
    view.current = editor
    let here = true
    void LanguageDescription.matchFilename(languages, nameOf(path))
      ?.load()
      .then((support) => here && editor.dispatch({ effects: language.reconfigure(support) }))
      .catch(() => {}) // a language that does not load costs the colours, not the text
    return () => {
      here = false
      view.current = null
      editor.destroy()
    }
  }, [path, fixed])

  useEffect(() => {
    const editor = view.current
    if (!editor || text === said.current) return
    said.current = text
    editor.dispatch({ changes: difference(editor.state.doc.toString(), text), annotations: Transaction.remote.of(true) })
  }, [text])

  useEffect(() => {
    const editor = view.current
    if (!editor || line === undefined) return
    const at = editor.state.doc.line(Math.max(1, Math.min(line, editor.state.doc.lines)))
    editor.dispatch({ selection: { anchor: at.from }, effects: EditorView.scrollIntoView(at.from, { y: 'center' }) })
    editor.focus()
  }, [line, path])

  useEffect(() => {
    if (sought > 0) openSearchPanel(view.current!)
  }, [sought])

  return <div ref={place} className="min-h-0 flex-1 overflow-hidden text-[1rem] desk:text-code" />
}

const look = EditorView.theme({
  '&': { height: '100%', backgroundColor: 'var(--surface)', color: 'var(--content)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--font-mono)', lineHeight: '1.55' },
  '.cm-gutters': { backgroundColor: 'var(--surface)', color: 'var(--muted)', border: 'none', borderInlineEnd: '1px solid var(--line)' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--hover)' },
  '.cm-cursor': { borderLeftColor: 'var(--content)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': { background: 'color-mix(in srgb, var(--accent) 28%, transparent)' },
  '.cm-selectionMatch': { backgroundColor: 'var(--added)' },
  '.cm-searchMatch': { backgroundColor: 'var(--wait-ground)', outline: '1px solid var(--wait)' },
  '.cm-searchMatch-selected': { backgroundColor: 'color-mix(in srgb, var(--wait) 35%, var(--wait-ground))' },
  '.cm-matchingBracket, &.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--added)', outline: '1px solid var(--edge)' },
  '.cm-panels': { backgroundColor: 'var(--page)', color: 'var(--content)', borderColor: 'var(--line)' },
  '.cm-panel.cm-search': { padding: '8px', fontFamily: 'var(--font-sans)' },
  '.cm-panel.cm-search input.cm-textfield': { minHeight: '32px', fontSize: 'inherit', backgroundColor: 'var(--surface)', color: 'var(--content)', border: '1px solid var(--edge)', borderRadius: '6px', padding: '2px 8px' },
  '.cm-panel.cm-search .cm-button': { minHeight: '32px', fontSize: 'inherit', background: 'var(--surface)', color: 'var(--content)', border: '1px solid var(--edge)', borderRadius: '6px' },
  '.cm-panel.cm-search label': { fontSize: 'inherit' },
  '.cm-panel.cm-search [name=close]': { fontSize: '20px', padding: '0 8px', color: 'var(--content)' },
  '@media (width < 47.5rem)': {
    '.cm-panel.cm-search': { display: 'flex', flexWrap: 'wrap', alignItems: 'center', gap: '4px', paddingInlineEnd: '52px' },
    '.cm-panel.cm-search br': { display: 'none' },
    '.cm-panel.cm-search input.cm-textfield': { flex: '1 1 100%', minHeight: '44px', margin: '0' },
    '.cm-panel.cm-search .cm-button': { minWidth: '44px', minHeight: '44px', margin: '0' },
    '.cm-panel.cm-search label': { display: 'inline-flex', alignItems: 'center', minWidth: '44px', minHeight: '44px' },
    '.cm-panel.cm-search [name=close]': { top: '8px', insetInlineEnd: '4px', minWidth: '44px', minHeight: '44px' },
  },
  '.cm-foldPlaceholder': { backgroundColor: 'var(--sunken)', border: 'none', color: 'var(--muted)' },
  '.cm-tooltip': { backgroundColor: 'var(--surface)', color: 'var(--content)', border: '1px solid var(--line)', borderRadius: '6px' },
})

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier, tags.tagName], color: 'var(--code-keyword)' },
  { tag: [tags.string, tags.special(tags.string), tags.regexp, tags.attributeValue], color: 'var(--code-string)' },
  { tag: [tags.function(tags.variableName), tags.function(tags.propertyName), tags.definition(tags.function(tags.variableName)), tags.className, tags.typeName, tags.attributeName], color: 'var(--code-function)' },
  { tag: [tags.number, tags.bool, tags.null, tags.atom, tags.constant(tags.variableName)], color: 'var(--code-constant)' },
  { tag: [tags.comment, tags.meta], color: 'var(--code-comment)' },
  { tag: tags.heading, fontWeight: '600' },
  { tag: tags.strong, fontWeight: '600' },
  { tag: tags.emphasis, fontStyle: 'italic' },
  { tag: [tags.link, tags.url], color: 'var(--info)' },
])

function phrases(): Record<string, string> {
  return {
    Find: m.editor_find(), Replace: m.editor_replace(), next: m.editor_next(), previous: m.editor_previous(), all: m.editor_all(), 'match case': m.editor_case(), regexp: m.editor_regexp(),
    'by word': m.editor_word(), replace: m.editor_replace_one(), 'replace all': m.editor_replace_all(), close: m.close(), 'current match': m.editor_match(), 'on line': m.editor_on_line(),
    'replaced match on line $': m.editor_replaced({ line: '$' }), 'replaced $ matches': m.editor_replaced_all({ count: '$' }), 'Go to line': m.editor_go_line(), go: m.editor_go(), 'Control character': m.editor_control(),
    'Folded lines': m.editor_folded(), 'Unfolded lines': m.editor_unfolded(), 'folded code': m.editor_folded(), unfold: m.editor_unfold(), 'Fold line': m.editor_fold(), 'Unfold line': m.editor_unfold(), to: m.editor_to(),
  }
}
