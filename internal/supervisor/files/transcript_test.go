package files

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

const (
	idA = "3d0660e5-e2c7-4b06-9eed-e1d3bfa6bb52"
	idB = "a9647aac-dcb9-4127-9506-52aa1303ed74"
)

func TestTranscripts(t *testing.T) {
	b := setup(t)
	list := func() []protocol.Transcript {
		t.Helper()
		r := b.do("GET", "/transcripts", nil, nil, nil)
		b.wantOK(r, 200, "list")
		var res protocol.TranscriptsResponse
		if err := json.Unmarshal([]byte(r.body), &res); err != nil {
			t.Fatal(err)
		}
		return res.Transcripts
	}
	if got := list(); len(got) != 0 {
		t.Errorf("got %+v before Claude ran", got)
	}
	b.write(b.home, ".claude/projects/-home-ana-projects-demo/"+idA+".jsonl", strings.Join([]string{
		`{"type":"mode","mode":"normal"}`,
		`not json`,
		`{"type":"user","isMeta":true,"message":{"role":"user","content":"Caveat"}}`,
		`{"type":"user","message":{"role":"user","content":"<command-name>/clear</command-name>"}}`,
		`{"type":"user","cwd":"/home/ana/projects/demo/sub","message":{"role":"user","content":[{"type":"image"},{"type":"text","text":"Mend the\u0007 door\nplease"}]}}`,
		`{"type":"attachment","x":"` + strings.Repeat("x", transcriptHead) + `"}`,
		`{"type":"ai-title","aiTitle":"Door"}`,
		`{"type":"custom-title","customTitle":"The door"}`,
	}, "\n"))
	b.write(b.home, ".claude/projects/-elsewhere/"+idB+".jsonl", `{"type":"user","cwd":"/home/ana2/projects/demo","message":{"content":"`+strings.Repeat("é", 500)+`"}}`)
	b.write(b.home, ".claude/projects/-home-ana-projects-demo/"+idA+"/subagents/agent-x.jsonl", "{}")
	b.write(b.home, ".claude/file-history/"+idA+"/x", "x")
	b.write(b.home, ".claude/projects/-home-ana-projects-demo/notes.jsonl", "{}")
	b.write(b.home, ".claude/projects/file", "x")
	if err := os.Symlink(filepath.Join(b.outside, "secret"), filepath.Join(b.home, ".claude/projects/-elsewhere/"+idA+".jsonl")); err != nil {
		t.Fatal(err)
	}
	byID := map[string]protocol.Transcript{}
	for _, tr := range list() {
		byID[tr.SessionID] = tr
	}
	if len(byID) != 2 || byID[idA].Title != "The door" || byID[idA].Project != "demo" || byID[idA].SizeBytes == 0 {
		t.Errorf("got %+v", byID)
	}
	if tr := byID[idB]; tr.Project != "" || tr.Title != strings.Repeat("é", maxTranscriptTitle)+"…" {
		t.Errorf("got %+v", tr)
	}
	b.wantOK(b.do("GET", "/transcripts/"+idA, nil, nil, nil), 200, "get")
	b.wantCode(b.do("GET", "/transcripts/notes", nil, nil, nil), fault.NotFound, "no session's id")
	b.wantOK(b.do("DELETE", "/transcripts/"+idA, nil, nil, nil), 204, "remove")
	b.wantCode(b.do("GET", "/transcripts/"+idA, nil, nil, nil), fault.NotFound, "removed")
	for _, p := range []string{".claude/projects/-home-ana-projects-demo/" + idA, ".claude/file-history/" + idA} {
		if _, err := os.Lstat(filepath.Join(b.home, p)); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", p, err)
		}
	}
	if got := list(); len(got) != 1 {
		t.Errorf("got %+v", got)
	}
}

// TestHeldPrompts: rows as the CLI writes them.
func TestHeldPrompts(t *testing.T) {
	const own, merged, taken, waits = "0d6a2c9e-0000-4000-8000-000000000001", "0d6a2c9e-0000-4000-8000-000000000002", "0d6a2c9e-0000-4000-8000-000000000003", "0d6a2c9e-0000-4000-8000-000000000004"
	b := setup(t)
	b.write(b.home, ".claude/projects/-home-ana-projects-demo/"+idA+".jsonl", strings.Join([]string{
		`{"type":"queue-operation","operation":"enqueue","commandUuid":"` + waits + `","content":"` + waits + `"}`,
		`{"type":"user","uuid":"` + own + `","mergedSendUuids":["` + merged + `"],"message":{"role":"user","content":"what of ` + waits + `?"}}`,
		`{"type":"assistant","uuid":"x","message":{"content":"` + strings.Repeat("x", 600<<10) + `"}}`,
		`{"type":"attachment","uuid":"y","attachment":{"type":"queued_command","source_uuid":"` + taken + `"}}`,
		`{"type":"user","uuid":"` + waits, // torn
	}, "\n"))
	query := url.Values{"uuid": {own, merged, taken, waits}}
	r := b.do("GET", "/transcripts/"+idA+"/held", query, nil, nil)
	b.wantOK(r, 200, "held")
	if want := `{"uuids":["` + own + `","` + merged + `","` + taken + `"],"unfinished":true,"last":"` + taken + `"}`; strings.TrimSpace(r.body) != want {
		t.Errorf("got %s, want %s", r.body, want)
	}
	if r := b.do("GET", "/transcripts/"+idB+"/held", query, nil, nil); strings.TrimSpace(r.body) != `{"uuids":[],"unfinished":false,"last":""}` {
		t.Errorf("got %s of a conversation that is not there", r.body)
	}
}

// TestUnfinished: whether the last word is Claude's.
func TestUnfinished(t *testing.T) {
	const said = `{"message":{"stop_reason":"end_turn","content":[]},"type":"assistant"}`
	for name, c := range map[string]struct {
		rows []string
		want bool
	}{
		"nothing":          {},
		"a prompt":         {[]string{`{"type":"user","message":{"content":"hello"}}`}, true},
		"an answer":        {[]string{`{"type":"user","message":{"content":"hello"}}`, said, `{"type":"last-prompt"}`, `{"type":"cost-state"}`}, false},
		"a tool call":      {[]string{said, `{"type":"assistant","message":{"stop_reason":"tool_use"}}`}, true},
		"a tool's result":  {[]string{said, `{"type":"user","message":{"content":[{"type":"tool_result"}]}}`}, true},
		"taken up before":  {[]string{said, `{"type":"user","isMeta":true,"message":{"content":[{"type":"text","text":"Continue from where you left off."}]}}`}, true},
		"interrupted":      {[]string{said, `{"type":"user","message":{"content":[{"type":"text","text":"[Request interrupted by user]"}]}}`}, false},
		"a command":        {[]string{said, `{"type":"user","message":{"content":"<local-command-stdout>x</local-command-stdout>"}}`}, false},
		"a subagent":       {[]string{said, `{"type":"user","isSidechain":true,"message":{"content":"x"}}`}, false},
		"a torn row":       {[]string{said, `{"type":"user","mess`}, false},
		"taken in, no row": {[]string{said, `{"type":"attachment","attachment":{"type":"queued_command","source_uuid":"x"}}`}, true},
	} {
		var got conversation
		if err := got.read(strings.NewReader(strings.Join(c.rows, "\n")), nil); err != nil || got.unfinished != c.want {
			t.Errorf("%s: unfinished %v, %v; want %v", name, got.unfinished, err, c.want)
		}
	}
}

func FuzzHeld(f *testing.F) {
	f.Add([]byte(`{"type":"user","uuid":"u","mergedSendUuids":["v"],"message":{"content":"hello"}}`+"\n"), "u")
	f.Fuzz(func(t *testing.T, raw []byte, uuid string) {
		var c conversation
		if err := c.read(bytes.NewReader(raw), []string{uuid}); err != nil {
			t.Error(err)
		}
	})
}

func FuzzTranscript(f *testing.F) {
	f.Add([]byte(`{"type":"user","message":{"content":"hello"}}` + "\n"))
	f.Add([]byte(`{"type":"summary","summary":"x"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var d description
		d.read(strings.NewReader(string(b)))
		if title := oneLine(d.prompt); len([]rune(title)) > maxTranscriptTitle+1 || strings.ContainsAny(title, "\n\r\x00") {
			t.Errorf("title %q", title)
		}
	})
}
