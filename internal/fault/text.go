package fault

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Text is what a person reads, kept so that package words can say it in their
// language: a format, and its arguments as their verbs have written them out.
// An argument that is a Text itself is translated too.
type Text struct {
	format string
	args   []any // string or Text
}

// Say makes a text, as fmt.Sprintf would.
func Say(format string, args ...any) Text {
	verbs := Verbs(format)
	t := Text{format: format, args: make([]any, len(args))}
	for _, v := range verbs {
		if v.Arg >= len(args) || strings.Contains(v.Text, "*") {
			return Quote(fmt.Sprintf(format, args...)) // a slip of ours: shown as fmt shows it
		}
		if nested, ok := args[v.Arg].(Text); ok && (v.Text == "%s" || v.Text == "%v") {
			t.args[v.Arg] = nested
			continue
		}
		t.args[v.Arg] = fmt.Sprintf(v.Text, args[v.Arg])
	}
	for _, a := range t.args {
		if a == nil {
			return Quote(fmt.Sprintf(format, args...))
		}
	}
	if nested, ok := only(t); ok {
		return nested
	}
	return t
}

// only finds the text of which "%s" makes nothing else.
func only(t Text) (Text, bool) {
	if t.format != "%s" {
		return Text{}, false
	}
	if nested, ok := t.args[0].(Text); ok {
		return nested, true
	}
	return Quote(t.args[0].(string)), true
}

// Quote is a text that was made elsewhere, as by a library or by Claude. It is
// shown as it is where package words does not know it.
func Quote(s string) Text { return Text{format: strings.ReplaceAll(s, "%", "%%")} }

// Format is what the text is known by.
func (t Text) Format() string { return t.format }

// Args are the format's arguments: each a string or a Text.
func (t Text) Args() []any { return t.args }

// String is the text in English.
func (t Text) String() string {
	return Fill(t.format, func(i int) string {
		if i >= len(t.args) {
			return ""
		}
		return fmt.Sprint(t.args[i])
	})
}

// Verb is a place in a format where an argument goes.
type Verb struct {
	Arg  int    // which argument, from 0
	Text string // as fmt takes it for this argument alone, such as %d or %.1f
}

var verb = regexp.MustCompile(`%([-+# 0-9.*]*)(?:\[(\d+)\])?([-+# 0-9.*]*)([a-zA-Z%])`)

// Verbs finds the verbs of a format, in their order.
func Verbs(format string) []Verb {
	var all []Verb
	each(format, func(v Verb) string { all = append(all, v); return "" })
	return all
}

// Fill puts the arguments, as written out already, in the place of a format's verbs.
func Fill(format string, arg func(int) string) string {
	return each(format, func(v Verb) string { return arg(v.Arg) })
}

func each(format string, f func(Verb) string) string {
	var b strings.Builder
	rest, next := 0, 0
	for _, m := range verb.FindAllStringSubmatchIndex(format, -1) {
		b.WriteString(format[rest:m[0]])
		rest = m[1]
		part := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return format[m[2*i]:m[2*i+1]]
		}
		if part(4) == "%" {
			b.WriteByte('%')
			continue
		}
		if n, err := strconv.Atoi(part(2)); err == nil && n > 0 {
			next = n - 1
		}
		b.WriteString(f(Verb{Arg: next, Text: "%" + part(1) + part(3) + part(4)}))
		next++
	}
	b.WriteString(format[rest:])
	return b.String()
}

// Bounds of a text that another process sends.
const (
	maxTextBytes = 16 << 10
	maxTextArgs  = 16
	maxTextDepth = 4
)

// MarshalJSON writes ["format", "argument", ["format of another", …], …].
func (t Text) MarshalJSON() ([]byte, error) {
	return json.Marshal(append([]any{t.format}, t.args...))
}

// UnmarshalJSON reads what another process sent, and refuses what MarshalJSON does not write.
func (t *Text) UnmarshalJSON(b []byte) error {
	if len(b) > maxTextBytes {
		return errors.New("a text that is too long")
	}
	return t.read(b, maxTextDepth)
}

func (t *Text) read(b []byte, depth int) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(b, &parts); err != nil {
		return fmt.Errorf("read a text: %w", err)
	}
	if depth == 0 || len(parts) == 0 || len(parts) > maxTextArgs+1 {
		return errors.New("not a text")
	}
	var got Text
	if err := json.Unmarshal(parts[0], &got.format); err != nil {
		return fmt.Errorf("read a text: %w", err)
	}
	for _, part := range parts[1:] {
		var nested Text
		var s string
		if part[0] == '[' {
			if err := nested.read(part, depth-1); err != nil {
				return err
			}
			got.args = append(got.args, nested)
		} else if err := json.Unmarshal(part, &s); err != nil {
			return fmt.Errorf("read a text: %w", err)
		} else {
			got.args = append(got.args, s)
		}
	}
	for _, v := range Verbs(got.format) {
		if v.Arg >= len(got.args) {
			return errors.New("a text that lacks an argument")
		}
	}
	*t = got
	return nil
}
