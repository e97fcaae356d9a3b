package scriptedmodel

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseOrders(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]order{
		"":                                    nil,
		"hello":                               nil,
		"[say 3]":                             {{"say", "3"}},
		"do [say] and\n[bash ls -la]":         {{"say", ""}, {"bash", "ls -la"}},
		"[BASH ls] [maxTokens] [error_event]": {{"bash", "ls"}, {"max-tokens", ""}, {"error-event", ""}},
		"[bash if [ -f x ]; then echo; fi]":   {{"bash", "if [ -f x ]; then echo; fi"}},
		`[bash echo \]] [say 1]`:              {{"bash", `echo \]`}, {"say", "1"}},
		`[tool X {"a": "]}["}] [say 1]`:       {{"tool", `X {"a": "]}["}`}, {"say", "1"}},
		`[tool X] [say 1]`:                    {{"tool", "X"}, {"say", "1"}},
		`[tool X {"a": } ]`:                   {{"tool", `X {"a": }`}},
		"[agent [bash ls] [say 3]] [say 4]":   {{"agent", "[bash ls] [say 3]"}, {"say", "4"}},
		"[bash]":                              nil, // nothing to run
		"[bash ls":                            nil, // never closes
		"[read](https://example.com)":         nil, // a link
		"[readme] [x] [ask: why]":             nil,
		`\[say 3]`:                            nil,
		"[[say 3]]":                           {{"say", "3"}},
		"[bash ls [say 3]":                    {{"say", "3"}}, // the outer never closes
		"你好[say 3]吧":                          {{"say", "3"}},
	} {
		if got := parseOrders(text); !reflect.DeepEqual(got, want) {
			t.Errorf("parseOrders(%q) = %v, want %v", text, got, want)
		}
	}
}

func TestReadArgs(t *testing.T) {
	t.Parallel()
	got := readArgs("5 30s x2 nonsense 7")
	want := args{ints: []int{5, 7}, duration: 30 * time.Second, hasTime: true, times: 2}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("readArgs = %+v, want %+v", got, want)
	}
}

func FuzzParseOrders(f *testing.F) {
	f.Add("[say 3] [bash echo \\]] [tool X {\"a\": [1,2]}]")
	f.Add("[[[[")
	f.Add("[edit p a => b][ask q|a|b||c*]")
	f.Fuzz(func(t *testing.T, text string) {
		orders, around := splitOrders(text)
		if len(around) > len(text) {
			t.Errorf("more text around the orders than there was")
		}
		for _, s := range compile(&turn{prompt: text}, orders, func(string) bool { return true }) {
			if s.stop == "" {
				t.Errorf("a message without an end from %q", text)
			}
		}
	})
}

func TestWordsJoinToTheText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		if got := strings.Join(words(text), ""); got != text {
			t.Fatalf("joined %q, want %q", got, text)
		}
		if got := strings.Join(pieces(text, 5), ""); got != text {
			t.Fatalf("pieces joined %q, want %q", got, text)
		}
	})
	for _, han := range []bool{false, true} {
		if got := prose(300, han); len(got) != 300 {
			t.Errorf("prose(300, %v) has %d tokens", han, len(got))
		}
	}
}

// TestEveryToolOrderRunsOnce plays a conversation by the rules of the API, with
// results of every kind, and compares what ran with what was ordered.
func TestEveryToolOrderRunsOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kinds := []string{"[bash a]", "[read b]", "[say 2]", "[parallel [bash c] [read d]]", "[tool X {}]", "[max-tokens]", "[plan go]", "[think 2]"}
		prompt := strings.Join(rapid.SliceOfN(rapid.SampledFrom(kinds), 1, 8).Draw(t, "orders"), " ")
		want := strings.Count(prompt, "bash") + strings.Count(prompt, "read") + strings.Count(prompt, "X") + 2*strings.Count(prompt, "plan")
		cuts := strings.Count(prompt, "max-tokens")
		loaded := map[string]bool{}
		offers := func(name string) bool { return name != "ExitPlanMode" || loaded[name] }

		conversation := turn{prompt: prompt, planFile: "/plans/p.md", deferred: map[string]bool{"ExitPlanMode": true}}
		var ran []string
		for range 40 {
			r := next(&conversation, offers)
			for _, a := range r.acts {
				if a.kind != actTool {
					continue
				}
				conversation.calls = append(conversation.calls, call{tool: a.tool.Name, result: "r", done: true, isError: rapid.Bool().Draw(t, "fails")})
				if a.tool.Name == "ToolSearch" {
					loaded["ExitPlanMode"] = true
				} else {
					ran = append(ran, a.tool.Name)
				}
			}
			switch r.stop {
			case "max_tokens":
				conversation.resumes++
				continue
			case "end_turn":
				if len(ran) != want || conversation.resumes != cuts {
					t.Fatalf("%s: ran %v with %d cuts, want %d calls, %d cuts", prompt, ran, conversation.resumes, want, cuts)
				}
				return
			}
		}
		t.Fatalf("%s: no end after 40 messages", prompt)
	})
}
