package sessions

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestAnswerEvent: what differs from what was asked is kept, and nothing that is too large.
func TestAnswerEvent(t *testing.T) {
	t.Parallel()
	large := fmt.Sprintf("%q", strings.Repeat("x", maxAnsweredBytes))
	for _, test := range []struct{ name, asked, answered, permissions, want string }{
		{"as it was asked", `{"command":"ls","n":1.0}`, `{ "n": 1.0, "command": "\u006cs" }`, "", ``},
		{"a question", `{"questions":[1]}`, `{"questions":[1],"answers":{"a":"b"}}`, "", `,"updated_input":{"answers":{"a":"b"}}`},
		{"taken out", `{"a":1,"b":2}`, `{"b":2}`, "", `,"updated_input":{"a":null}`},
		{"a large number", `{"n":9007199254740993}`, `{"n":9007199254740992}`, "", `,"updated_input":{"n":9007199254740992}`},
		{"for always", `{"command":"ls"}`, `{"command":"ls"}`, `[{"type":"addRules"}]`, `,"updated_permissions":[{"type":"addRules"}]`},
		{"too large", `{"content":""}`, `{"content":` + large + `,"path":"a"}`, "", `,"updated_input":{"path":"a"},"truncated":true`},
		{"too large a permission", `{}`, `{}`, "[" + large + "]", `,"truncated":true`},
	} {
		var e answerEvent
		e.keep(changed(json.RawMessage(test.asked), json.RawMessage(test.answered)), json.RawMessage(test.permissions))
		got, err := json.Marshal(e)
		want := `{"type":"","request_id":"","behavior":"","author":""` + test.want + "}"
		if err != nil || string(got) != want {
			t.Errorf("%s: got %.200s, %v; want %s", test.name, got, err, want)
		}
	}
}
