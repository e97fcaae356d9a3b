package claude

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	text, err := ParseContent(json.RawMessage(`"a <b> & \"c\"\n"`))
	if err != nil {
		t.Fatal(err)
	}
	allow, err := Allow("q", json.RawMessage("{\n\"command\": \"ls\"}"), json.RawMessage(`[{"type":"setMode"}]`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		got  []byte
		want string
	}{
		{Initialize("1"), `{"type":"control_request","request_id":"1","request":{"subtype":"initialize"}}`},
		{Interrupt("1", false), `{"type":"control_request","request_id":"1","request":{"subtype":"interrupt"}}`},
		{Interrupt("1", true), `{"type":"control_request","request_id":"1","request":{"subtype":"interrupt","cancel_queued":true}}`},
		{SetModel("1", "opus"), `{"type":"control_request","request_id":"1","request":{"subtype":"set_model","model":"opus"}}`},
		{SetModel("1", ""), `{"type":"control_request","request_id":"1","request":{"subtype":"set_model"}}`},
		{SetPermissionMode("1", "plan"), `{"type":"control_request","request_id":"1","request":{"subtype":"set_permission_mode","mode":"plan"}}`},
		{TaskOutput("1", "b1"), `{"type":"control_request","request_id":"1","request":{"subtype":"get_task_output","task_id":"b1"}}`},
		{SetEffort("1", "high"), `{"type":"control_request","request_id":"1","request":{"subtype":"apply_flag_settings","settings":{"effortLevel":"high"}}}`},
		{SetEffort("1", DefaultEffort), `{"type":"control_request","request_id":"1","request":{"subtype":"apply_flag_settings","settings":{"effortLevel":null}}}`},
		{User("u", text), `{"type":"user","message":{"role":"user","content":"a <b> & \"c\"\n"},"uuid":"u"}`},
		{allow, `{"type":"control_response","response":{"subtype":"success","request_id":"q","response":{"behavior":"allow","updatedInput":{"command":"ls"},"updatedPermissions":[{"type":"setMode"}]}}}`},
		{Deny("q", "no", true), `{"type":"control_response","response":{"subtype":"success","request_id":"q","response":{"behavior":"deny","message":"no","interrupt":true}}}`},
		{Refuse("q", "why"), `{"type":"control_response","response":{"subtype":"error","request_id":"q","error":"why"}}`},
	} {
		if got := string(c.got); got != c.want+"\n" {
			t.Errorf("got  %swant %s", got, c.want)
		}
	}
	for _, bad := range []string{``, `null`, `[]`, `"x"`, `{"a":`} {
		if _, err := Allow("q", json.RawMessage(bad), nil); err == nil {
			t.Errorf("input %q was taken", bad)
		}
		if _, err := Allow("q", json.RawMessage(`{}`), json.RawMessage(bad)); err == nil && bad != `[]` {
			t.Errorf("permissions %q were taken", bad)
		}
	}
}

func TestParseContent(t *testing.T) {
	png := base64.StdEncoding.EncodeToString([]byte("\x89PNG"))
	for _, c := range []struct{ in, want, at string }{
		{in: `"hi"`, want: `"hi"`},
		{in: ` [ {"type":"text",` + "\n" + `"text":"hi"} ] `, want: `[{"type":"text","text":"hi"}]`},
		{in: `"half a pair: \ud83d."`, want: `"half a pair: ` + "\ufffd" + `."`},
		{in: `[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + png + `"}}]`, want: `[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + png + `"}}]`},
		{in: `[{"type":"document","title":"t","source":{"type":"text","media_type":"text/plain","data":"x"}},{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]`, want: `[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"x"},"title":"t"},{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]`},
		{in: `[{"type":"image","source":{"type":"url","url":"https://example.org/a.png"}}]`, want: `[{"type":"image","source":{"type":"url","url":"https://example.org/a.png"}}]`},

		{in: ``, at: "content"},
		{in: `null`, at: "content"},
		{in: `" \n"`, at: "content"},
		{in: `"x`, at: "content"},
		{in: `"x" 1`, at: "content"},
		{in: `{"type":"text"}`, at: "content"},
		{in: `[]`, at: "content"},
		{in: `[` + strings.Repeat(`{"type":"text","text":"x"},`, maxBlocks) + `{"type":"text","text":"x"}]`, at: "content"},
		{in: `[null]`, at: "content[0].type"},
		{in: `["x"]`, at: "content[0]"},
		{in: `[{"type":"text","text":"a"},{"type":"text","text":""}]`, at: "content[1].text"},
		{in: `[{"type":"text","text":"a","extra":1}]`, at: "content[0]"},
		{in: `[{"type":"text","text":"a","title":"t"}]`, at: "content[0]"},
		{in: `[{"type":"tool_result","tool_use_id":"x"}]`, at: "content[0]"},
		{in: `[{"type":"tool_use"}]`, at: "content[0].type"},
		{in: `[{"type":"image"}]`, at: "content[0].source"},
		{in: `[{"type":"image","source":{"type":"base64","media_type":"image/bmp","data":"` + png + `"}}]`, at: "content[0].source.media_type"},
		{in: `[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"???"}}]`, at: "content[0].source.data"},
		{in: `[{"type":"image","source":{"type":"base64","media_type":"image/png","data":""}}]`, at: "content[0].source.data"},
		{in: `[{"type":"image","source":{"type":"url","url":"file:///etc/passwd"}}]`, at: "content[0].source.url"},
		{in: `[{"type":"image","source":{"type":"file","file_id":"x"}}]`, at: "content[0]"},
		{in: `[{"type":"text","text":"a","cache_control":[]}]`, at: "content[0].cache_control"},
	} {
		got, err := ParseContent(json.RawMessage(c.in))
		if c.at == "" {
			if err != nil || string(got) != c.want {
				t.Errorf("%s: got %s, %v; want %s", c.in, got, err, c.want)
			}
			continue
		}
		var in *InputError
		if !errors.As(err, &in) || in.Location != c.at {
			t.Errorf("%.80s: got %v; want an error at %s", c.in, err, c.at)
		}
	}
	if _, err := ParseContent(json.RawMessage(`"` + strings.Repeat("x", MaxContentBytes) + `"`)); !errors.Is(err, ErrContentTooLarge) {
		t.Errorf("got %v; want too large", err)
	}
}

func FuzzParseContent(f *testing.F) {
	for _, s := range []string{`"hi"`, `[{"type":"text","text":"hi"}]`, "[{\"type\":\"text\",\n\"text\":\"\\u2028\xff\"}]", `[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"}}]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseContent(b)
		if err != nil {
			return
		}
		again, err := ParseContent(json.RawMessage(c))
		if err != nil || !bytes.Equal(again, c) {
			t.Errorf("what was written anew is not stable: %s, %s, %v", c, again, err)
		}
		l := User("u", c)
		if bytes.IndexByte(l, '\n') != len(l)-1 || !json.Valid(l) {
			t.Errorf("not one JSON line: %q", l)
		}
	})
}

func TestArgv(t *testing.T) {
	const fixed = "claude -p --input-format stream-json --output-format stream-json --verbose --include-partial-messages --permission-prompt-tool stdio --replay-user-messages "
	for _, c := range []struct {
		l    Launch
		want string
	}{
		{Launch{SessionID: "a"}, "--session-id a"},
		{Launch{Resume: "a"}, "--resume a"},
		{Launch{Resume: "a", SessionID: "b"}, "--resume a --fork-session --session-id b"},
		{Launch{Resume: "a", Model: "opus", PermissionMode: "plan", AllowBypass: true}, "--resume a --allow-dangerously-skip-permissions --permission-mode plan --model opus"},
		{Launch{Resume: "a", Effort: "max"}, "--resume a --effort max"},
		{Launch{Resume: "a", Effort: DefaultEffort}, "--resume a"},
	} {
		c.l.Path = "claude"
		if got := strings.Join(c.l.Argv(), " "); got != fixed+c.want {
			t.Errorf("got %s", got)
		}
	}
}

func TestEnviron(t *testing.T) {
	e := Environment{Base: []string{"PATH=/bin", "A=1", "A=2", "ANTHROPIC_API_KEY=stolen", "CLAUDE_CODE_RESUME_INTERRUPTED_TURN=1", "junk"}, Home: "/home/ana", User: "ana", Gateway: "/run/g.sock"}
	got := e.Environ()
	for _, want := range []string{"PATH=/bin", "A=2", "HOME=/home/ana", "ANTHROPIC_UNIX_SOCKET=/run/g.sock", "ANTHROPIC_API_KEY=" + placeholder} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is missing in %v", want, got)
		}
	}
	names := map[string]int{}
	for _, v := range got {
		name, _, _ := strings.Cut(v, "=")
		if names[name]++; names[name] > 1 {
			t.Errorf("%s is there twice", name)
		}
	}
	if names["CLAUDE_CODE_RESUME_INTERRUPTED_TURN"] != 0 || names["junk"] != 0 {
		t.Errorf("got %v", got)
	}
	e.TakeUp = true
	if !slices.Contains(e.Environ(), "CLAUDE_CODE_RESUME_INTERRUPTED_TURN=1") {
		t.Error("an unfinished turn would not be taken up")
	}
}

func TestValid(t *testing.T) {
	for _, s := range []string{"opus", "claude-opus-5-5", "sonnet[1m]", "us.anthropic.claude:0", "arn:aws:bedrock/x"} {
		if !ValidModel(s) {
			t.Errorf("model %q was refused", s)
		}
	}
	for _, s := range []string{"", "-p", "--x", "a b", "a\n", "ü", strings.Repeat("a", 129), ".x"} {
		if ValidModel(s) {
			t.Errorf("model %q was taken", s)
		}
	}
	if !ValidMode("plan") || ValidMode("nonsense") || ValidMode("") {
		t.Error("modes")
	}
}
