package socket

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		name, in string
		field    string // the one at fault; "": good; "-": none is named
	}{
		{"subscribe", `{"type":"subscribe","session_id":"s","after":7}`, ""},
		{"from the beginning", `{"type":"subscribe","session_id":"s"}`, ""},
		{"unsubscribe", `{"type":"unsubscribe","session_id":"s"}`, ""},
		{"prompt", `{"type":"prompt","session_id":"s","id":"1","content":"hi"}`, ""},
		{"blocks", `{"type":"prompt","session_id":"s","id":"1","content":[{"type":"text","text":"hi"}]}`, ""},
		{"a field of tomorrow", `{"type":"interrupt","session_id":"s","tomorrow":[1]}`, ""},
		{"answer", `{"type":"answer","session_id":"s","request_id":"r","behavior":"allow","updated_input":{},"updated_permissions":[]}`, ""},
		{"answer with nulls", `{"type":"answer","session_id":"s","request_id":"r","behavior":"deny","updated_input":null,"updated_permissions":null}`, ""},
		{"set", `{"type":"set","session_id":"s","permission_mode":"plan"}`, ""},
		{"set effort", `{"type":"set","session_id":"s","effort":"high"}`, ""},
		{"nothing", ``, "-"},
		{"a list", `[]`, "-"},
		{"two", `{}{}`, "-"},
		{"deep", `{"content":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, "-"},
		{"a field twice", `{"type":"prompt","session_id":"s","id":"a","id":"b","content":"x"}`, "-"},
		{"a field twice, in another case", `{"type":"prompt","session_id":"s","id":"a","ID":"b","content":"x"}`, "-"},
		{"fields of a tool in two cases", `{"type":"answer","session_id":"s","request_id":"r","behavior":"allow","updated_input":{"a":1,"A":2}}`, ""},
		{"half a character", `{"type":"prompt","session_id":"s","id":"a\ud800","content":"x"}`, "id"},
		{"half a character to withdraw", `{"type":"withdraw","session_id":"s","id":"\udfff"}`, "id"},
		{"not UTF-8", "{\"type\":\"\xff\"}", "-"},
		{"no type", `{"session_id":"s"}`, "type"},
		{"unknown type", `{"type":"x","session_id":"s"}`, "type"},
		{"no session", `{"type":"interrupt"}`, "session_id"},
		{"long session", `{"type":"interrupt","session_id":"` + strings.Repeat("x", 129) + `"}`, "session_id"},
		{"unprintable session", `{"type":"interrupt","session_id":"a\nb"}`, "session_id"},
		{"negative after", `{"type":"subscribe","session_id":"s","after":-1}`, "after"},
		{"after a fraction", `{"type":"subscribe","session_id":"s","after":1.5}`, "after"},
		{"prompt without id", `{"type":"prompt","session_id":"s","content":"hi"}`, "id"},
		{"prompt without content", `{"type":"prompt","session_id":"s","id":"1"}`, "content"},
		{"null content", `{"type":"prompt","session_id":"s","id":"1","content":null}`, "content"},
		{"empty content", `{"type":"prompt","session_id":"s","id":"1","content":""}`, "content"},
		{"no blocks", `{"type":"prompt","session_id":"s","id":"1","content":[]}`, "content"},
		{"block without type", `{"type":"prompt","session_id":"s","id":"1","content":[{}]}`, "content"},
		{"list of texts", `{"type":"prompt","session_id":"s","id":"1","content":["hi"]}`, "content"},
		{"answer to nothing", `{"type":"answer","session_id":"s","behavior":"allow"}`, "request_id"},
		{"answer of neither kind", `{"type":"answer","session_id":"s","request_id":"r","behavior":"x"}`, "behavior"},
		{"input of no object", `{"type":"answer","session_id":"s","request_id":"r","behavior":"allow","updated_input":"x"}`, "updated_input"},
		{"permissions of no list", `{"type":"answer","session_id":"s","request_id":"r","behavior":"allow","updated_permissions":{}}`, "updated_permissions"},
		{"set nothing", `{"type":"set","session_id":"s"}`, "model"},
	} {
		m, err := decode([]byte(c.in))
		if c.field == "" {
			if err != nil {
				t.Errorf("%s: got %v; want it to be taken", c.name, err)
			}
			if a := m.answer(); c.name == "answer with nulls" && (a.UpdatedInput != nil || a.UpdatedPermissions != nil) {
				t.Errorf("%s: got %s; want null to be nothing", c.name, a.UpdatedInput)
			}
			continue
		}
		e := Person{}.failureOf(m, err)
		got := "-"
		if len(e.Errors) > 0 {
			got = e.Errors[0].Location
		}
		if e.Code != fault.Invalid || e.Detail == "" || got != c.field {
			t.Errorf("%s: got %+v; want invalid about %s", c.name, e, c.field)
		}
	}
}

func TestNameOf(t *testing.T) {
	for _, c := range []struct{ in, id, session string }{
		{`{"type":"prompt","session_id":"s","id":"1","content":"` + strings.Repeat("x", 1<<20), "1", "s"},
		{`{"content":[{"id":"inner"}],"id":"outer","x":{"session_id":"no"},"session_id":"yes"`, "outer", "yes"},
		{`{"id":7,"session_id":"s"`, "", "s"},
		{`{"id":"a\nb","session_id":"s"`, "", "s"},
		{`["id"]`, "", ""},
		{`{"id`, "", ""},
		{``, "", ""},
	} {
		if m := nameOf([]byte(c.in)); m.ID != c.id || m.SessionID != c.session {
			t.Errorf("%.60s: got %q, %q; want %q, %q", c.in, m.ID, m.SessionID, c.id, c.session)
		}
	}
}

func TestEncodeEvent(t *testing.T) {
	at := time.Date(2026, 11, 24, 10, 0, 0, 5e8, time.FixedZone("", 3600))
	raw := `{"type":"assistant","text":"<b>&\u2028</b>"}`
	b := encodeEvent([]byte(`"s\"1"`), &protocol.Event{Seq: 12, At: at, Event: json.RawMessage(raw)})
	var e Event
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	if e.Type != "event" || e.SessionID != `s"1` || e.Seq != 12 || !e.At.Equal(at) || string(e.Event) != raw {
		t.Errorf("got %s; want the event as it came", b)
	}
	if !json.Valid(encodeEvent([]byte(`"s"`), &protocol.Event{})) {
		t.Error("an event without content is not JSON")
	}
}

// FuzzDecode: what is taken has what its type needs, and what is refused says so in words.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"type":"subscribe","session_id":"s","after":7}`, `{"type":"prompt","session_id":"s","id":"1","content":[{"type":"text"}]}`,
		`{"type":"answer","session_id":"s","request_id":"r","behavior":"allow","updated_input":{}}`, `{"type":"set","session_id":"s","model":null}`,
		`{`, `[]`, "\xff", `{"id":"x","content":{`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decode(b)
		if err != nil {
			e := Person{}.failureOf(m, err)
			if e.Code != fault.Invalid || e.Detail == "" || !json.Valid(encode(e)) {
				t.Fatalf("got %+v for %q", e, b)
			}
			return
		}
		if m.SessionID == "" || m.Type == typePrompt && (m.ID == "" || len(m.Content) == 0) || m.Type == typeAnswer && m.RequestID == "" || m.After < 0 {
			t.Fatalf("%q was taken as %+v", b, m)
		}
	})
}
