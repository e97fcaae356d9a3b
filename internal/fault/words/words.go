// Package words says errors in the reader's language. English is what the
// program writes; every other language is a table from an English format to
// its own. What is not in the table stays English.
package words

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/carrel-dev/carrel/internal/fault"
)

// Language is one that errors can be said in; any other is taken for English.
type Language string

// The languages.
const (
	English Language = "en"
	Chinese Language = "zh-CN"
)

// Error gives an error in a language; its code, fields and cause are the same.
func Error(l Language, e *fault.Error) *fault.Error {
	if l == English {
		return e
	}
	out := *e
	out.Detail = Say(l, e.Said())
	out.Fields = slices.Clone(e.Fields)
	for i, f := range e.Fields {
		out.Fields[i].Message = Say(l, f.Said())
	}
	return &out
}

// Found says what a check found in a language, sentence by sentence. What is not known stays as it is.
func Found(l Language, text string) string {
	if l != Chinese {
		return text
	}
	sentences := strings.SplitAfter(text, ". ")
	for i, one := range sentences {
		if said, ok := known(strings.TrimSuffix(one, " ")); ok {
			sentences[i] = said
		}
	}
	return strings.Join(sentences, "")
}

// known gives a text in Chinese that is there only as it was said, if it is one of ours.
func known(text string) (said string, ok bool) {
	if said, ours := chinese()[text]; ours {
		return said, true
	}
	format, args, ok := recognise(text)
	if !ok {
		return text, false
	}
	return fault.Fill(format, func(i int) string { return Found(Chinese, fmt.Sprint(args[i])) }), true
}

// Say gives a text in a language.
func Say(l Language, t fault.Text) string {
	if l != Chinese {
		return t.String()
	}
	format, ours := chinese()[t.Format()]
	args := t.Args()
	if !ours {
		format = t.Format()
		if len(args) == 0 {
			if known, found, ok := recognise(t.String()); ok {
				format, args = known, found
			}
		}
	}
	return fault.Fill(format, func(i int) string {
		if i >= len(args) {
			return ""
		}
		if nested, ok := args[i].(fault.Text); ok {
			return Say(l, nested)
		}
		return fmt.Sprint(args[i])
	})
}

// chinese is every table of ours in one.
var chinese = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for _, table := range tables {
		for english, said := range table {
			all[english] = said
		}
	}
	return all
})

// pattern finds one of the foreign formats in a text that was made of it.
type pattern struct {
	whole *regexp.Regexp
	said  string
}

var patterns = sync.OnceValue(func() []pattern {
	all := make([]pattern, 0, len(foreign))
	for english, said := range foreign {
		var b strings.Builder
		b.WriteString("^")
		for i, part := range strings.Split(fault.Fill(english, func(int) string { return "\x00" }), "\x00") {
			if i > 0 {
				b.WriteString("(.*)")
			}
			b.WriteString(regexp.QuoteMeta(part))
		}
		b.WriteString("$")
		all = append(all, pattern{regexp.MustCompile("(?s)" + b.String()), said})
	}
	// The one that says the most of its own words is meant.
	slices.SortFunc(all, func(a, b pattern) int {
		if n := len(b.whole.String()) - len(a.whole.String()); n != 0 {
			return n
		}
		return strings.Compare(a.said, b.said)
	})
	return all
})

// maxForeign is more than any text that a library makes for us is long.
const maxForeign = 4 << 10

// recognise finds what a text that a library made was made of.
func recognise(text string) (format string, args []any, ok bool) {
	if len(text) > maxForeign {
		return "", nil, false
	}
	for _, p := range patterns() {
		m := p.whole.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		for _, arg := range m[1:] {
			args = append(args, arg)
		}
		return p.said, args, true
	}
	return "", nil, false
}
