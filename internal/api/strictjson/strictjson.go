// Package strictjson decodes JSON from outside: UTF-8, one value, nested only so
// deep, and nothing after it. Which fields there may be is judged elsewhere.
package strictjson

import (
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// MaxDepth bounds nesting. Messages API content has about ten levels.
const MaxDepth = 100

// ErrTooDeep is for input that is nested deeper than MaxDepth.
var ErrTooDeep = errors.New("nested deeper than 100 levels")

// ErrEncoding is for input that is not UTF-8: decoded, two texts that differ could become one.
var ErrEncoding = errors.New("not UTF-8")

// Unmarshal is json.Unmarshal that refuses deep nesting before it builds anything, and what is not UTF-8.
func Unmarshal(data []byte, v any) error {
	if !utf8.Valid(data) {
		return ErrEncoding
	}
	if err := CheckDepth(data); err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

// CheckDepth looks at brackets outside of strings only; whether the rest is JSON is the decoder's to say.
func CheckDepth(data []byte) error {
	depth, inString, escaped := 0, false, false
	for _, c := range data {
		switch {
		case escaped:
			escaped = false
		case inString && c == '\\':
			escaped = true
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return ErrTooDeep
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}
