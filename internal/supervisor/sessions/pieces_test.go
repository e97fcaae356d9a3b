package sessions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/journal"
)

// Lines as the CLI writes them, as far as it matters.
func start(id string) string {
	return fmt.Sprintf(`{"type":"stream_event","event":{"type":"message_start","message":{"id":%q}},"parent_tool_use_id":null}`, id)
}

func blockStart(i int, block string) string {
	return fmt.Sprintf(`{"type":"stream_event","event":{"type":"content_block_start","index":%d,"content_block":%s},"parent_tool_use_id":null}`, i, block)
}

func delta(i int, d string) string {
	return fmt.Sprintf(`{"type":"stream_event","event":{"type":"content_block_delta","index":%d,"delta":%s},"parent_tool_use_id":null}`, i, d)
}

func text(i int, s string) string {
	raw, _ := json.Marshal(s)
	return delta(i, fmt.Sprintf(`{"type":"text_delta","text":%s}`, raw))
}

func said(id, blocks string) string {
	return fmt.Sprintf(`{"type":"assistant","message":{"id":%q,"content":[%s]},"parent_tool_use_id":null}`, id, blocks)
}

const (
	textBlock = `{"type":"text","text":""}`
	toolBlock = `{"type":"tool_use","id":"t1","name":"Bash","input":{}}`
)

func TestPieces(t *testing.T) {
	for name, c := range map[string]struct {
		lines []string
		gone  []int64
	}{
		"a message of two blocks": {[]string{
			start("m"), blockStart(0, textBlock), text(0, "a "), text(0, "b"), said("m", `{"type":"text","text":"a b"}`),
			blockStart(1, toolBlock), delta(1, `{"type":"input_json_delta","partial_json":"{"}`), delta(1, `{"type":"input_json_delta","partial_json":"}"}`),
			said("m", `{"type":"tool_use","id":"t1","input":{}}`),
		}, []int64{3, 4, 7, 8}},
		"cut short, and what was left is repeated": {[]string{
			start("m"), blockStart(0, textBlock), text(0, "a "), text(0, "b "),
			`{"type":"assistant","aborted":true,"message":{"id":"m","content":[{"type":"text","text":"a b "}]}}`,
		}, []int64{3, 4}},
		"cut short, and a part is repeated": {[]string{
			start("m"), blockStart(0, textBlock), text(0, "a "), text(0, "b "),
			`{"type":"assistant","aborted":true,"message":{"id":"m","content":[{"type":"text","text":"a "}]}}`,
		}, nil},
		"a tool call cut short": {[]string{
			start("m"), blockStart(0, toolBlock), delta(0, `{"type":"input_json_delta","partial_json":"{\"a"}`),
			`{"type":"assistant","aborted":true,"message":{"id":"m","content":[{"type":"tool_use","id":"t1","input":{}}]}}`,
		}, nil},
		"begun twice": {[]string{
			start("m"), blockStart(0, textBlock), text(0, "lost"), start("n"), blockStart(0, textBlock), text(0, "kept"),
			said("n", `{"type":"text","text":"kept"}`), said("m", `{"type":"text","text":"lost"}`),
		}, []int64{6}},
		"begun twice under one id": {[]string{
			start("m"), blockStart(0, textBlock), text(0, "lost"), start("m"), blockStart(0, textBlock), text(0, "kept"),
			said("m", `{"type":"text","text":"kept"}`),
		}, []int64{6}},
		"another text is said": {[]string{
			start("m"), blockStart(0, textBlock), text(0, "a"), said("m", `{"type":"text","text":"b"}`),
		}, nil},
		"the message of another": {[]string{
			start("m"), blockStart(0, textBlock), text(0, "a"), said("n", `{"type":"text","text":"a"}`),
		}, nil},
		"a subagent's line of the same text": {[]string{
			start("m"), blockStart(0, textBlock), text(0, "a"),
			`{"type":"assistant","parent_tool_use_id":"t9","message":{"id":"m","content":[{"type":"text","text":"a"}]}}`,
		}, nil},
		"a subagent that streams": {[]string{
			start("m"), blockStart(0, textBlock), text(0, "a"),
			`{"type":"stream_event","event":{"type":"message_start","message":{"id":"s"}},"parent_tool_use_id":"t9"}`,
			`{"type":"stream_event","event":{"type":"content_block_start","index":0,"content_block":{"type":"text"}},"parent_tool_use_id":"t9"}`,
			`{"type":"stream_event","event":{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}},"parent_tool_use_id":"t9"}`,
			text(0, "b"), said("m", `{"type":"text","text":"ab"}`),
			`{"type":"assistant","parent_tool_use_id":"t9","message":{"id":"s","content":[{"type":"text","text":"x"}]}}`,
		}, []int64{3, 6, 7}},
		"never said": {[]string{start("m"), blockStart(0, textBlock), text(0, "a")}, nil},
		"said at once, as after a failed stream": {[]string{
			start("m"), blockStart(0, textBlock), text(0, "a"), said("other", `{"type":"text","text":"a b"}`),
		}, nil},
		"thinking with its signature": {[]string{
			start("m"), blockStart(0, `{"type":"thinking"}`), delta(0, `{"type":"thinking_delta","thinking":"hm"}`), delta(0, `{"type":"signature_delta","signature":"s1"}`),
			said("m", `{"type":"thinking","thinking":"hm","signature":"s1"}`),
		}, []int64{3, 4}},
		"thinking with another signature": {[]string{
			start("m"), blockStart(0, `{"type":"thinking"}`), delta(0, `{"type":"thinking_delta","thinking":"hm"}`), delta(0, `{"type":"signature_delta","signature":"s1"}`),
			said("m", `{"type":"thinking","thinking":"hm","signature":"s2"}`),
		}, nil},
		"thinking that is not shown": {[]string{
			start("m"), blockStart(0, `{"type":"thinking"}`), delta(0, `{"type":"thinking_delta","thinking":"hm"}`), said("m", `{"type":"thinking","thinking":""}`),
		}, nil},
		"a kind of delta that nobody knows": {[]string{
			start("m"), blockStart(0, textBlock), text(0, "a"), delta(0, `{"type":"sound_delta","sound":"…"}`), said("m", `{"type":"text","text":"a"}`),
		}, nil},
		"a delta of which half a character is lost": {[]string{
			start("m"), blockStart(0, textBlock), delta(0, `{"type":"text_delta","text":"\ud83d"}`), delta(0, `{"type":"text_delta","text":"\ude00"}`),
			said("m", `{"type":"text","text":"😀"}`),
		}, nil},
		"escaped in another way": {[]string{
			start("m"), blockStart(0, textBlock), delta(0, `{"type":"text_delta","text":"\u00fc<\/b>"}`), said("m", `{"type":"text","text":"ü</b>"}`),
		}, []int64{3}},
		"keys in another order": {[]string{
			start("m"), blockStart(0, textBlock),
			`{"event":{"index":0,"delta":{"text":"a","type":"text_delta"},"type":"content_block_delta"},"type":"stream_event"}`,
			said("m", `{"type":"text","text":"a"}`),
		}, []int64{3}},
		"nonsense": {[]string{`{"type":"stream_event"}`, `{"type":"stream_event","event":7}`, delta(3, `{}`), said("", `{"type":"text"}`), `{}`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPieces()
			for i, line := range c.lines {
				p.take(journal.Event{Seq: int64(i + 1), Data: []byte(line)})
			}
			var gone []int64
			for seq := range int64(len(c.lines) + 1) {
				if p.has(seq) {
					gone = append(gone, seq)
				}
			}
			if !slices.Equal(gone, c.gone) {
				t.Errorf("%v may go, want %v", gone, c.gone)
			}
		})
	}
}

// FuzzPieces: whatever the lines are, nothing but deltas may go, and of them only such whose text an assistant line has.
func FuzzPieces(f *testing.F) {
	f.Add([]byte(strings.Join([]string{start("m"), blockStart(0, textBlock), text(0, "a "), text(0, "b"), said("m", `{"type":"text","text":"a b"}`)}, "\n")))
	f.Add([]byte(strings.Join([]string{start("m"), blockStart(1, `{"type":"thinking"}`), delta(1, `{"type":"thinking_delta","thinking":"x"}`), said("m", `{"type":"thinking","thinking":"x"}`)}, "\n")))
	f.Add([]byte(strings.Join([]string{start("m"), blockStart(0, toolBlock), delta(0, `{"type":"input_json_delta"}`), said("m", `{"type":"tool_use","id":"t1"}`)}, "\n")))
	f.Fuzz(func(t *testing.T, b []byte) {
		lines := bytes.Split(b, []byte("\n"))
		p := newPieces()
		said := ""
		for i, raw := range lines {
			p.take(journal.Event{Seq: int64(i + 1), Data: raw})
			if l, err := claude.Parse(raw); err == nil {
				if m, ok := l.Message(); ok {
					for _, b := range m.Blocks {
						said += b.Text + "\n" + b.Thinking + "\n"
					}
				}
			}
		}
		for i, raw := range lines {
			if !p.has(int64(i + 1)) {
				continue
			}
			piece, ok := claude.Line{Raw: raw, Type: "stream_event"}.Piece()
			if !ok || piece.Type != "content_block_delta" || !strings.Contains(said, piece.Delta.Text) || !strings.Contains(said, piece.Delta.Thinking) {
				t.Errorf("line %d goes: %s", i+1, raw)
			}
		}
	})
}

// TestPiecesAreBounded: however long a turn, and however little of it is repeated.
func TestPiecesAreBounded(t *testing.T) {
	p := newPieces()
	p.limit = 2000
	seq := int64(0)
	for m := range 10 {
		id := fmt.Sprint(m)
		for _, line := range []string{start(id), blockStart(0, textBlock)} {
			seq++
			p.take(journal.Event{Seq: seq, Data: []byte(line)})
		}
		for range 500 {
			seq += 2 // a line of something else between any two
			p.take(journal.Event{Seq: seq, Data: []byte(text(0, "x"))})
		}
		if m%2 == 0 {
			long := make([]byte, 500)
			for i := range long {
				long[i] = 'x'
			}
			seq++
			p.take(journal.Event{Seq: seq, Data: []byte(said(id, fmt.Sprintf(`{"type":"text","text":%q}`, long)))})
		}
	}
	if p.spans > p.limit || len(p.gone) > p.limit || len(p.gone) < p.limit/2 {
		t.Errorf("%d spans, %d of them may go", p.spans, len(p.gone))
	}
}
