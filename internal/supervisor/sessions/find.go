package sessions

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carrel-dev/carrel/internal/fault"
)

// Bounds of a query, and of what is shown of what it finds.
const (
	maxQueryRunes  = 200
	maxQueryWords  = 10
	snippetRunes   = 160 // about
	beforeTheMatch = 40
)

// query is what is looked for: words that all must be in one piece of text, wherever in it and in whichever case.
// There are no boundaries of words: Chinese has none.
type query struct {
	words  []string // folded
	anchor []byte   // what a line of JSON must have for one of the words to be in it
	cases  cases    // of anchor
}

// cases says what has to be done to a line before the anchor is looked for in it.
type cases int

const (
	noCases cases = iota // nothing: Chinese
	asciiCases
	allCases // slower: é, и
)

func casesOf(text []byte) cases {
	c := noCases
	for _, r := range string(text) {
		switch {
		case unicode.ToUpper(r) == r:
		case r < utf8.RuneSelf:
			c = max(c, asciiCases)
		default:
			return allCases
		}
	}
	return c
}

func parseQuery(text string) (query, error) {
	text = strings.ToValidUTF8(text, "")
	var q query
	for i, part := range strings.Split(text, `"`) {
		if i%2 == 1 {
			if part = strings.TrimSpace(part); part != "" {
				q.words = append(q.words, fold(part))
			}
			continue
		}
		q.words = append(q.words, strings.Fields(fold(part))...)
	}
	switch {
	case len(q.words) == 0:
		return query{}, fault.InvalidField("query.q", "Give at least one word to look for.")
	case utf8.RuneCountInString(text) > maxQueryRunes || len(q.words) > maxQueryWords:
		return query{}, fault.InvalidField("query.q", "Look for at most %d words with %d characters in all.", maxQueryWords, maxQueryRunes)
	}
	q.words = slices.Compact(q.words)
	for _, w := range q.words {
		// JSON may write a quote, a backslash, a control character, <, > and & in more than one way.
		for _, piece := range strings.FieldsFunc(w, func(r rune) bool { return r < ' ' || strings.ContainsRune(`"\/<>&`, r) }) {
			if len(piece) > len(q.anchor) {
				q.anchor = []byte(piece)
			}
		}
	}
	q.cases = casesOf(q.anchor)
	return q, nil
}

// fold makes cases alike, and keeps the number of runes.
func fold(s string) string { return strings.Map(unicode.ToLower, s) }

// maybe says whether a line of JSON may have what is looked for; it is quick. buf is scratch.
func (q query) maybe(line []byte, buf *[]byte) bool {
	if bytes.Contains(line, []byte(`\u`)) {
		return true // any character may be written so
	}
	switch q.cases {
	case allCases:
		return bytes.Contains(bytes.Map(unicode.ToLower, line), q.anchor)
	case asciiCases:
		b := append((*buf)[:0], line...)
		for i, c := range b {
			if 'A' <= c && c <= 'Z' {
				b[i] = c + 'a' - 'A'
			}
		}
		*buf, line = b, b
	}
	return bytes.Contains(line, q.anchor)
}

// in finds all words in a text, and shows the place of the first of them.
func (q query) in(text string) (snippet string, ok bool) {
	folded := fold(text)
	first := -1
	for _, w := range q.words {
		i := strings.Index(folded, w)
		if i < 0 {
			return "", false
		}
		if first < 0 || i < first {
			first = i
		}
	}
	// Cases may differ in bytes, but not in runes.
	return excerpt(text, utf8.RuneCountInString(folded[:first])), true
}

// excerpt is a piece of a text around a rune, on one line.
func excerpt(text string, at int) string {
	var b strings.Builder
	n, kept, space := 0, 0, false
	for _, r := range text {
		n++
		if n <= at-beforeTheMatch {
			continue
		}
		if b.Len() == 0 && n > 1 {
			b.WriteRune('…')
		}
		if unicode.IsSpace(r) || !unicode.IsPrint(r) {
			space = true
			continue
		}
		if kept++; kept > snippetRunes {
			b.WriteRune('…')
			break
		}
		if space && kept > 1 {
			b.WriteRune(' ')
		}
		space = false
		b.WriteRune(r)
	}
	return b.String()
}
