package scriptedmodel

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// order is one bracketed instruction in a prompt: [Name Text].
type order struct {
	Name string
	Text string // all after the name, as written
}

func (o order) String() string {
	if o.Text == "" {
		return "[" + o.Name + "]"
	}
	return "[" + o.Name + " " + o.Text + "]"
}

// needs says of each order whether it is one without a text after it.
var needs = map[string]struct{ text bool }{
	"say": {}, "echo": {}, "pace": {true}, "think": {}, "markdown": {},
	"bash": {true}, "background": {true}, "write": {true}, "edit": {true}, "read": {true},
	"tool": {true}, "ask": {true}, "plan": {}, "todo": {true}, "agent": {true}, "parallel": {true},
	"fail": {}, "retry-after": {true}, "no-retry": {}, "drop": {}, "stall": {}, "hang": {},
	"error-event": {}, "max-tokens": {}, "refusal": {}, "wait": {true},
}

// spelling forgives case, underscores and missing hyphens: maxTokens, max_tokens.
var spelling = func() map[string]string {
	m := make(map[string]string, len(needs))
	for name := range needs {
		m[strings.ReplaceAll(name, "-", "")] = name
	}
	return m
}()

func orderName(word string) (string, bool) {
	word = strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(word))
	name, ok := spelling[word]
	return name, ok
}

// parseOrders finds the orders of a text. What is not an order stays text: an
// unknown name, a missing argument, a bracket that never closes, a link.
func parseOrders(text string) []order {
	orders, _ := splitOrders(text)
	return orders
}

// splitOrders also gives the text around the orders.
func splitOrders(text string) (orders []order, around string) {
	const most = 1000 // looks for an order's end in one text, so that no text takes long to read
	var rest strings.Builder
	from, looks := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '[':
			name, after, ok := nameAt(text, i)
			if !ok || looks == most {
				continue
			}
			looks++
			if o, end, ok := orderAt(text, name, after); ok {
				orders = append(orders, o)
				rest.WriteString(text[from:i])
				from, i = end, end-1
			}
		}
	}
	rest.WriteString(text[from:])
	return orders, rest.String()
}

// nameAt reads the name of the order whose bracket opens at text[start], and
// says where what follows it begins.
func nameAt(text string, start int) (name string, after int, ok bool) {
	word := text[start+1:]
	if n := strings.IndexFunc(word, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '-' || r == '_')
	}); n >= 0 {
		word = word[:n]
	}
	after = start + 1 + len(word)
	if after >= len(text) || !strings.ContainsRune(" \t\n\r]", rune(text[after])) {
		return "", 0, false
	}
	name, ok = orderName(word)
	return name, after, ok
}

// orderAt reads the rest of an order, up to the bracket that closes it.
func orderAt(text, name string, after int) (order, int, bool) {
	end := -1
	if name == "tool" {
		end = jsonEnd(text, after)
	}
	if end < 0 {
		end = closing(text, after)
	}
	if end < 0 {
		return order{}, 0, false
	}
	if end+1 < len(text) && text[end+1] == '(' { // a markdown link
		return order{}, 0, false
	}
	o := order{Name: name, Text: strings.TrimSpace(text[after:end])}
	if needs[name].text && o.Text == "" {
		return order{}, 0, false
	}
	return o, end + 1, true
}

// closing finds the bracket that closes the one open at from: brackets within
// are counted, those behind a backslash are not.
func closing(text string, from int) int {
	depth := 1
	for i := from; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '[':
			depth++
		case ']':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// jsonEnd finds the closing bracket of [tool NAME {json}], whatever brackets
// the JSON holds in its strings.
func jsonEnd(text string, from int) int {
	open := strings.IndexAny(text[from:], "{]")
	if open < 0 || text[from+open] == ']' {
		return -1
	}
	d := json.NewDecoder(strings.NewReader(text[from+open:]))
	var v json.RawMessage
	if d.Decode(&v) != nil {
		return -1
	}
	i := from + open + int(d.InputOffset())
	for i < len(text) && strings.ContainsRune(" \t\r\n", rune(text[i])) {
		i++
	}
	if i < len(text) && text[i] == ']' {
		return i
	}
	return -1
}

var unescaper = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t", `\[`, "[", `\]`, "]")

func unescape(s string) string { return unescaper.Replace(s) }

// args are the numbers of an order like [fail 500 2] or [stall 5 30s x1], in
// any order of kinds: plain integers, one duration, and how often ("x2").
type args struct {
	ints     []int
	duration time.Duration
	hasTime  bool
	times    int
}

var timesArg = regexp.MustCompile(`^x(\d{1,6})$`)

func readArgs(text string) args {
	var a args
	for word := range strings.FieldsSeq(text) {
		if m := timesArg.FindStringSubmatch(word); m != nil {
			a.times, _ = strconv.Atoi(m[1]) // the pattern holds
		} else if n, err := strconv.Atoi(word); err == nil {
			a.ints = append(a.ints, max(n, 0))
		} else if d, err := time.ParseDuration(word); err == nil {
			a.duration, a.hasTime = max(d, 0), true
		}
	}
	return a
}

// int is the i-th integer, or a default.
func (a args) int(i, or int) int {
	if i < len(a.ints) {
		return a.ints[i]
	}
	return or
}
