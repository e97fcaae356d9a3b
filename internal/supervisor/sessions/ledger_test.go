package sessions

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

func prompted(id string) string {
	return fmt.Sprintf(`{"type":"carrel.prompt","id":%q,"uuid":"u-%s","author":"ana","content":"x"}`, id, id)
}

func lifecycle(id, state string) string {
	return fmt.Sprintf(`{"type":"command_lifecycle","command_uuid":"u-%s","state":%q}`, id, state)
}

func entered(state, reason string) string {
	return fmt.Sprintf(`{"type":"carrel.state","state":%q,"reason":%q}`, state, reason)
}

const (
	resultLine = `{"type":"result"}`
	idleLine   = `{"type":"system","subtype":"session_state_changed","state":"idle"}`
	askLine    = `{"type":"control_request","request_id":"q","request":{"subtype":"can_use_tool"}}`
)

func ledgerOf(t testing.TB, lines ...string) *ledger {
	t.Helper()
	l := newLedger()
	for i, raw := range lines {
		line, err := claude.Parse([]byte(raw))
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		l.apply(int64(i+1), line)
	}
	return l
}

func (l *ledger) openIDs() string {
	var ids []string
	for _, p := range l.open {
		ids = append(ids, p.id)
	}
	return strings.Join(ids, " ")
}

func TestLedger(t *testing.T) {
	for name, c := range map[string]struct {
		lines     []string
		open      string
		turn, cut bool
		asks      int
	}{
		"waits":                    {lines: []string{prompted("a"), prompted("b")}, open: "a b"},
		"the same id twice":        {lines: []string{prompted("a"), prompted("a")}, open: "a"},
		"queued":                   {lines: []string{prompted("a"), lifecycle("a", "queued")}, open: "a"},
		"started":                  {lines: []string{prompted("a"), lifecycle("a", "started")}, open: "a", turn: true},
		"completed":                {lines: []string{prompted("a"), lifecycle("a", "started"), resultLine, lifecycle("a", "completed")}},
		"a result ends what began": {lines: []string{prompted("a"), prompted("b"), lifecycle("a", "started"), resultLine}, open: "b"},
		"a result names prompts":   {lines: []string{prompted("a"), `{"type":"result","user_message_uuids":["u-a"]}`}},
		"held by the conversation": {lines: []string{prompted("a"), prompted("b"), `{"type":"carrel.state","state":"starting","held":["u-a"]}`}, open: "b", cut: true},
		"a note before it is taken up": {lines: []string{prompted("a"), lifecycle("a", "started"), `{"type":"carrel.state","state":"starting","held":["u-a"]}`,
			`{"type":"system","subtype":"session_state_changed","state":"running"}`, `{"type":"result","num_turns":0}`}, turn: true, cut: true},
		"taken up and ended": {lines: []string{prompted("a"), lifecycle("a", "started"), `{"type":"carrel.state","state":"starting","held":["u-a"]}`,
			`{"type":"system","subtype":"session_state_changed","state":"running"}`, `{"type":"result","num_turns":2}`}},
		"idle ends what began":       {lines: []string{prompted("a"), lifecycle("a", "started"), idleLine}},
		"idle leaves what is to run": {lines: []string{prompted("a"), idleLine}, open: "a"},
		"cancelled":                  {lines: []string{prompted("a"), lifecycle("a", "queued"), lifecycle("a", "cancelled")}},
		"a turn nobody asked for":    {lines: []string{`{"type":"system","subtype":"init"}`}, turn: true},
		"a foreign lifecycle":        {lines: []string{lifecycle("z", "started")}, turn: true},
		"died at work":               {lines: []string{prompted("a"), prompted("b"), lifecycle("a", "started"), askLine, entered("starting", "")}, open: "a b", cut: true},
		"died again before the work": {lines: []string{prompted("a"), lifecycle("a", "started"), entered("starting", ""), entered("dormant", "not_started")}, open: "a", cut: true},
		"died before it began":       {lines: []string{prompted("a"), lifecycle("a", "queued"), entered("dormant", "restarted")}, open: "a"},
		"closed at work":             {lines: []string{prompted("a"), prompted("b"), lifecycle("a", "started"), entered("dormant", "closed")}, open: "b"},
		"given up":                   {lines: []string{prompted("a"), prompted("b"), lifecycle("a", "started"), entered("dormant", "failed")}},
		"copied":                     {lines: []string{prompted("a"), lifecycle("a", "started"), entered("dormant", "copied"), entered("starting", "")}},
		"taken up":                   {lines: []string{prompted("a"), lifecycle("a", "started"), entered("starting", ""), lifecycle("z", "started"), resultLine, lifecycle("a", "completed")}},
		"asks":                       {lines: []string{askLine}, asks: 1},
		"withdrawn":                  {lines: []string{askLine, `{"type":"control_cancel_request","request_id":"q"}`}},
		"answered":                   {lines: []string{askLine, `{"type":"carrel.answer","request_id":"q"}`}},
		"asks something else":        {lines: []string{`{"type":"control_request","request_id":"q","request":{"subtype":"hook_callback"}}`}},
		"nonsense":                   {lines: []string{`{"type":"carrel.prompt","id":7}`, `{"type":"carrel.state"}`, `{"type":"carrel.x"}`, `{}`}},
	} {
		l := ledgerOf(t, c.lines...)
		if l.openIDs() != c.open || l.turn != c.turn || l.cut != c.cut || len(l.asks) != c.asks {
			t.Errorf("%s: open %q, turn %v, cut %v, asks %d; want %+v", name, l.openIDs(), l.turn, l.cut, len(l.asks), c)
		}
	}
}

// TestLedgerHolds: whatever comes in whatever order, a prompt is open or done, never lost and never back.
func TestLedgerHolds(t *testing.T) {
	ids := []string{"a", "b", "c"}
	reasons := []string{"", reasonClosed, reasonIdle, reasonStopped, reasonRestarted, reasonExited, reasonNotStarted, reasonFailed}
	rapid.Check(t, func(rt *rapid.T) {
		l := newLedger()
		finished := map[string]bool{}
		for seq := range rapid.IntRange(1, 40).Draw(rt, "events") {
			id := rapid.SampledFrom(ids).Draw(rt, "id")
			raw := rapid.SampledFrom([]string{
				prompted(id), lifecycle(id, "queued"), lifecycle(id, "started"), lifecycle(id, "completed"), resultLine, idleLine, askLine,
				entered(rapid.SampledFrom([]string{protocol.StateStarting, protocol.StateDormant}).Draw(rt, "state"), rapid.SampledFrom(reasons).Draw(rt, "reason")),
			}).Draw(rt, "event")
			line, err := claude.Parse([]byte(raw))
			if err != nil {
				rt.Fatal(err)
			}
			l.apply(int64(seq+1), line)
			if !slices.IsSortedFunc(l.open, func(a, b *prompt) int { return int(a.seq - b.seq) }) {
				rt.Fatalf("not in order: %s", l.openIDs())
			}
			for id, p := range l.prompts {
				open := slices.Contains(l.open, p)
				if open == (p.state == done) || open == (p.content == nil) {
					rt.Fatalf("prompt %s is open: %v, in state %d, with content %q", id, open, p.state, p.content)
				}
				if finished[id] && open {
					rt.Fatalf("prompt %s came back", id)
				}
				finished[id] = !open
			}
			if l.turn && (l.state == protocol.StateDormant && strings.Contains(raw, "carrel.state")) {
				rt.Fatal("a turn without a process")
			}
		}
	})
}

func TestReadLines(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	for _, c := range []struct {
		in, want string
		limit    int
		err      error
	}{
		{in: "", want: ""},
		{in: "a\n\n b \r\nc", want: "a|b|c"},
		{in: long + "\nb\n", want: long + "|b"},
		{in: "a\n" + long, want: "a|" + long},
		{in: "a\n" + long + "\n", want: "a", limit: 99 << 10, err: errLongLine},
		{in: strings.Repeat("y", 65<<10), limit: 64 << 10, err: errLongLine},
	} {
		if c.limit == 0 {
			c.limit = 1 << 20
		}
		var got []string
		err := readLines(strings.NewReader(c.in), c.limit, func(b []byte) error { got = append(got, string(b)); return nil })
		if strings.Join(got, "|") != c.want || !errors.Is(err, c.err) {
			t.Errorf("%.20q…: got %d lines, %v", c.in, len(got), err)
		}
	}
	stop := errors.New("stop")
	if err := readLines(strings.NewReader("a\nb\n"), 10, func([]byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

func FuzzReadLines(f *testing.F) {
	f.Add([]byte("a\nb"), 10)
	f.Fuzz(func(t *testing.T, in []byte, limit int) {
		limit = 1 + max(limit, -limit)%(1<<16)
		var got [][]byte
		err := readLines(bytes.NewReader(in), limit, func(b []byte) error {
			if len(b) == 0 || len(b) > limit || bytes.IndexByte(b, '\n') >= 0 {
				t.Fatalf("got a line of %d bytes: %.20q", len(b), b)
			}
			got = append(got, bytes.Clone(b))
			return nil
		})
		var want [][]byte
		for part := range bytes.SplitSeq(in, []byte{'\n'}) {
			if len(part) > limit {
				break
			}
			if part = bytes.TrimSpace(part); len(part) > 0 {
				want = append(want, part)
			}
		}
		if err == nil && !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestTail(t *testing.T) {
	var l tail
	for i := range 3000 {
		_, _ = fmt.Fprintf(&l, "line %d\n", i)
	}
	_, _ = l.Write(bytes.Repeat([]byte("z"), 10))
	if got := l.String(); len(got) > tailBytes || !strings.HasSuffix(got, "line 2999\nzzzzzzzzzz") {
		t.Errorf("got %d bytes: %s", len(got), got[max(0, len(got)-40):])
	}
	_, _ = l.Write(bytes.Repeat([]byte("y"), 3*tailBytes))
	if got := l.String(); got != strings.Repeat("y", tailBytes) {
		t.Errorf("got %d bytes", len(got))
	}
}
