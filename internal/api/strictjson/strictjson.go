// Package strictjson decodes JSON from outside: UTF-8, one value, nested only so
// deep, each name of an object once, and nothing after it. Which fields there may
// be is judged elsewhere.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth bounds nesting. Messages API content has about ten levels.
const MaxDepth = 100

// ErrTooDeep is for input that is nested deeper than MaxDepth.
var ErrTooDeep = errors.New("nested deeper than 100 levels")

// ErrEncoding is for input that is not UTF-8: decoded, two texts that differ could become one.
var ErrEncoding = errors.New("not UTF-8")

// ErrTwice is for an object with two fields of one name: who reads the first and who reads the last would differ. In the
// outermost object, which is always one of ours, names that differ only in case are one: the decoder takes them so. Within
// it there may be objects of others' (variables of an environment, what a tool is given), where they are two.
var ErrTwice = errors.New("an object has two fields of the same name")

// Unmarshal is json.Unmarshal that refuses deep nesting before it builds anything, names that come twice, and what is
// not UTF-8.
func Unmarshal(data []byte, v any) error {
	if !utf8.Valid(data) {
		return ErrEncoding
	}
	if err := Check(data); err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

// Check looks at brackets and names only; whether the rest is JSON is the decoder's to say.
func Check(data []byte) error {
	var open []names // of what is open, the outermost first
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			end := endOfString(data, i+1)
			if len(open) > 0 && isName(data[min(end+1, len(data)):]) && !open[len(open)-1].add(data[i+1:end], len(open) == 1) {
				return ErrTwice
			}
			i = end
		case '{', '[':
			if len(open) == MaxDepth {
				return ErrTooDeep
			}
			if len(open) < cap(open) {
				open = open[:len(open)+1]
				open[len(open)-1].clear()
			} else {
				open = append(open, names{})
			}
		case '}', ']':
			open = open[:max(len(open)-1, 0)]
		}
	}
	return nil
}

// fold gives one rune for all that encoding/json takes for the same letter in a name.
func fold(r rune) rune {
	for {
		next := unicode.SimpleFold(r)
		if next <= r {
			return next
		}
		r = next
	}
}

// endOfString finds the quote that ends a string which begins at from, or the end of data.
func endOfString(data []byte, from int) int {
	for at := from; ; {
		n := bytes.IndexByte(data[at:], '"')
		if n < 0 {
			return len(data)
		}
		quote, before := at+n, at+n
		for before > at && data[before-1] == '\\' {
			before--
		}
		if (quote-before)%2 == 0 {
			return quote
		}
		at = quote + 1
	}
}

// HalfPair says whether a string of JSON, with its quotes, has half a surrogate pair without the other.
func HalfPair(text []byte) bool {
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 || i+1 == len(text) {
			return false
		}
		first := escaped(text[i:])
		switch {
		case first < 0:
			text = text[i+2:]
		case !utf16.IsSurrogate(first):
			text = text[i+6:]
		case utf16.DecodeRune(first, escaped(text[i+6:])) == unicode.ReplacementChar:
			return true
		default:
			text = text[i+12:]
		}
	}
}

// escaped is what an escape of four hexadecimal digits, with which text begins, stands for; -1 when there is none.
func escaped(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}

// isName says whether what follows a string makes it the name of a field.
func isName(rest []byte) bool {
	for _, c := range rest {
		switch c {
		case ' ', '\t', '\r', '\n':
		default:
			return c == ':'
		}
	}
	return false
}

// fewNames are compared one by one, as almost every object has no more.
const fewNames = 16

// names are those of one object so far.
type names struct {
	few  [][]byte
	many map[string]struct{}
}

func (n *names) clear() { n.few, n.many = n.few[:0], nil }

// add says false when the name is there already, in this or, where that is folded, in another case. It is as it stands
// between its quotes.
func (n *names) add(name []byte, folded bool) bool {
	if bytes.IndexByte(name, '\\') >= 0 {
		var plain string
		if json.Unmarshal(append(append([]byte{'"'}, name...), '"'), &plain) == nil {
			name = []byte(plain)
		}
	}
	if folded {
		name = bytes.Map(fold, name)
	}
	if n.many == nil {
		for _, o := range n.few {
			if bytes.Equal(o, name) {
				return false
			}
		}
		if n.few = append(n.few, name); len(n.few) > fewNames {
			n.many = make(map[string]struct{}, 2*fewNames)
			for _, o := range n.few {
				n.many[string(o)] = struct{}{}
			}
		}
		return true
	}
	before := len(n.many)
	n.many[string(name)] = struct{}{}
	return len(n.many) > before
}
