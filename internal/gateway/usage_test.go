package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func streamOf(events ...string) string {
	var b strings.Builder
	for _, e := range events {
		_, _ = fmt.Fprintf(&b, "event: x\r\ndata: %s\r\n\r\n", e)
	}
	return b.String()
}

// However the bytes are cut into pieces, the result is the same.
func TestPiecesDoNotMatter(t *testing.T) {
	long := delta(strings.Repeat("long ", maxEventBytes))
	whole := streamOf(messageStart, delta("text"), long, `{"type":"ping"}`, messageDelta)
	rapid.Check(t, func(t *rapid.T) {
		for _, c := range []struct {
			text string
			set  func(*usage)
			want Tokens
		}{
			{whole, (*usage).events, Tokens{Input: 11, Output: 99, CacheCreation: 12, CacheRead: 13}},
			{jsonAnswer, (*usage).json, Tokens{Input: 10, Output: 20, CacheCreation: 30, CacheRead: 40}},
		} {
			var u usage
			c.set(&u)
			rest := c.text
			for rest != "" {
				n := rapid.IntRange(1, min(len(rest), 1+len(c.text)/7)).Draw(t, "piece")
				u.feed([]byte(rest[:n]))
				rest = rest[n:]
			}
			if got, estimated := u.sum(); got != c.want || estimated || u.model != "claude-real" {
				t.Fatalf("got %+v of %q, estimated %v", got, u.model, estimated)
			}
		}
	})
}

func TestUsageReports(t *testing.T) {
	for _, c := range []struct {
		name   string
		events []string
		want   Tokens
		guess  bool
	}{
		{"final numbers of every kind", []string{messageStart, `{"type":"message_delta","usage":{"input_tokens":100,"cache_read_input_tokens":200,"cache_creation_input_tokens":300,"output_tokens":5}}`}, Tokens{100, 5, 300, 200}, false},
		{"null and missing", []string{messageStart, `{"type":"message_delta","usage":{"input_tokens":null,"output_tokens":5}}`}, Tokens{11, 5, 12, 13}, false},
		{"only the start", []string{messageStart}, Tokens{11, 1, 12, 13}, false},
		{"cut in thinking", []string{messageStart, `{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"12345678"}}`}, Tokens{11, 2, 12, 13}, true},
		{"cut in a tool call", []string{messageStart, `{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"12345678"}}`}, Tokens{11, 2, 12, 13}, true},
		{"text that looks like a report", []string{messageStart, delta(`{"type":"message_delta","usage":{"output_tokens":7777}}`), messageDelta}, Tokens{11, 99, 12, 13}, false},
		{"nonsense", []string{messageStart, `{"type":"message_delta","usage":{"output_tokens":-5}}`, `{`, `[1]`, `{"type":"message_delta","usage":7}`}, Tokens{11, 1, 12, 13}, false},
		{"an error before it began", []string{`{"type":"error","error":{"type":"overloaded_error"}}`}, Tokens{}, false},
		{"nothing", nil, Tokens{Input: 100}, true},
		{"an error event", []string{messageStart, `{"type":"error","error":{"type":"overloaded_error"}}`}, Tokens{11, 1, 12, 13}, false},
	} {
		var u usage
		u.asked = 400
		u.events()
		u.feed([]byte(streamOf(c.events...)))
		if got, guess := u.sum(); got != c.want || guess != c.guess {
			t.Errorf("%s: got %+v (guess %v); want %+v", c.name, got, guess, c.want)
		}
	}
}

// On valid JSON objects the scan agrees with encoding/json; on anything else it
// neither fails nor grows.
func FuzzScan(f *testing.F) {
	for _, s := range []string{jsonAnswer, `{"usage":1}`, `{"a":{"usage":1},"usage":[{"b":","}],"model":"x\"}"}`, `[{"usage":1}]`, `"usage"`, `{"usage":`, `}}{"model":1}`, " {\n\"model\" : \"y\" }"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := map[string]string{}
		sc := &scan{want: []string{"usage", "model"}, found: func(key string, raw []byte) { got[key] = string(raw) }}
		sc.write([]byte(s))
		if len(sc.value) > maxScanValue || len(sc.key) > maxScanKey {
			t.Fatal("the scan holds more than it may")
		}
		var want map[string]json.RawMessage
		if json.Unmarshal([]byte(s), &want) != nil || want == nil || strings.Contains(s, `\u`) {
			return
		}
		for _, k := range sc.want {
			if v, ok := want[k]; ok && len(v) < maxScanValue && strings.TrimSpace(got[k]) != string(v) {
				t.Fatalf("%s: got %q; want %q in %q", k, got[k], v, s)
			}
		}
	})
}

func FuzzEvents(f *testing.F) {
	f.Add(streamOf(messageStart, delta("x"), messageDelta), 3)
	f.Add("data: {\n\ndata:\n:\n", 1)
	f.Fuzz(func(t *testing.T, s string, piece int) {
		var whole, pieces usage
		whole.events()
		pieces.events()
		whole.feed([]byte(s))
		n := max(1, min(piece, 1<<16))
		for rest := s; rest != ""; rest = rest[min(n, len(rest)):] {
			pieces.feed([]byte(rest[:min(n, len(rest))]))
		}
		a, _ := whole.sum()
		b, _ := pieces.sum()
		if a != b || whole.model != pieces.model || a.Total() < 0 {
			t.Fatalf("whole %+v, in pieces %+v", a, b)
		}
	})
}

// The key never passes, wherever it is cut; everything else does, unchanged.
func TestMaskingBody(t *testing.T) {
	key := NewKey("aab")
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("abc")), 0, 60, -1).Draw(t, "text")
		b := &maskingBody{ReadCloser: io.NopCloser(&pieces{text: text, next: func(n int) int { return rapid.IntRange(1, n).Draw(t, "piece") }}), key: key}
		got, err := io.ReadAll(b)
		if err != nil || string(got) != strings.ReplaceAll(text, "aab", "***") {
			t.Fatalf("%q became %q, %v", text, got, err)
		}
	})
}

type pieces struct {
	text string
	next func(int) int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.text == "" {
		return 0, io.EOF
	}
	n := copy(b, p.text[:p.next(min(len(p.text), len(b)))])
	p.text = p.text[n:]
	return n, nil
}
