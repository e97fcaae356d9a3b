package scriptedmodel

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

func serve(t *testing.T, opts Options) (*Model, string) {
	t.Helper()
	m := New(opts)
	srv := httptest.NewServer(m)
	t.Cleanup(func() { m.Close(); srv.Close(); http.DefaultClient.CloseIdleConnections() })
	return m, srv.URL
}

func body(prompt string, stream bool) string {
	b, err := json.Marshal(map[string]any{
		"model": "claude-opus-5-5", "max_tokens": 1000, "stream": stream,
		"messages": []any{map[string]any{"role": "user", "content": prompt}},
	})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func ask1(t *testing.T, url, prompt string, stream bool) (*http.Response, string, error) {
	t.Helper()
	resp, err := http.Post(url+"/v1/messages?beta=true", "application/json", strings.NewReader(body(prompt, stream)))
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

// TestStreamShape compares a whole stream with what the API sends.
func TestStreamShape(t *testing.T) {
	t.Parallel()
	_, url := serve(t, Options{})
	resp, got, err := ask1(t, url, `[think 1] [echo a <b>] [bash ls]`, true)
	if err != nil {
		t.Fatal(err)
	}
	if ct := resp.Header.Get("Content-Type"); ct != "text/event-stream; charset=utf-8" {
		t.Errorf("content type %q", ct)
	}
	want := []string{
		`message_start {"type":"message_start","message":{"id":"msg_ID","type":"message","role":"assistant","model":"claude-opus-5-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":11,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":1,"service_tier":"standard"}}}`,
		`ping {"type":"ping"}`,
		`content_block_start {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}`,
		`content_block_delta {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"The."}}`,
		`content_block_delta {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"SIG"}}`,
		`content_block_stop {"type":"content_block_stop","index":0}`,
		`content_block_start {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}`,
		`content_block_delta {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"a "}}`,
		`content_block_delta {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"<b>"}}`,
		`content_block_stop {"type":"content_block_stop","index":1}`,
		`content_block_start {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_ID","name":"Bash","input":{}}}`,
		`content_block_delta {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}`,
		`content_block_delta {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"command\":\"ls\",\"description\":\"R"}}`,
		`content_block_delta {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"un ls\"}"}}`,
		`content_block_stop {"type":"content_block_stop","index":2}`,
		`message_delta {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":11,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":13}}`,
		`message_stop {"type":"message_stop"}`,
	}
	events := strings.Split(strings.TrimSuffix(got, "\n\n"), "\n\n")
	for i, e := range events {
		name, data, ok := strings.Cut(e, "\ndata: ")
		name = strings.TrimPrefix(name, "event: ")
		if !ok || i >= len(want) {
			t.Fatalf("event %d: %q", i, e)
		}
		if e := mask(name + " " + data); e != want[i] {
			t.Errorf("event %d:\ngot  %s\nwant %s", i, e, want[i])
		}
	}
	if len(events) != len(want) {
		t.Errorf("%d events, want %d", len(events), len(want))
	}
}

// mask puts fixed words in the place of what differs each time.
func mask(s string) string {
	for prefix, fixed := range map[string]string{`"id":"msg_`: "ID", `"id":"toolu_`: "ID", `"signature_delta","signature":"`: "SIG"} {
		if before, after, ok := strings.Cut(s, prefix); ok {
			_, rest, _ := strings.Cut(after, `"`)
			s = before + prefix + fixed + `"` + rest
		}
	}
	return s
}

// TestSDKReadsBoth: Anthropic's own client reads the stream and the whole
// message, and both say the same.
func TestSDKReadsBoth(t *testing.T) {
	t.Parallel()
	_, url := serve(t, Options{})
	client := anthropic.NewClient(option.WithBaseURL(url), option.WithAPIKey("k"))
	params := anthropic.MessageNewParams{
		Model: "claude-opus-5-5", MaxTokens: 1000,
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("[think 3] [say 12] [tool T {\"a\": [1, \"]\"]}]"))},
	}
	whole, err := client.Messages.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	var streamed anthropic.Message
	stream := client.Messages.NewStreaming(t.Context(), params)
	for stream.Next() {
		if err := streamed.Accumulate(stream.Current()); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]*anthropic.Message{"whole": whole, "streamed": &streamed} {
		if len(m.Content) != 3 || m.StopReason != "tool_use" || m.Usage.OutputTokens != 19 || m.Usage.InputTokens == 0 {
			t.Fatalf("%s: %d blocks, stop %s, usage %+v", name, len(m.Content), m.StopReason, m.Usage)
		}
		if m.Content[0].Thinking != "The carrel by." || m.Content[0].Signature == "" || len(strings.Fields(m.Content[1].Text)) != 12 || string(m.Content[2].Input) != `{"a":[1,"]"]}` {
			t.Errorf("%s: content %+v", name, m.Content)
		}
	}
	if whole.ID == streamed.ID || whole.Content[2].ID == streamed.Content[2].ID {
		t.Error("two answers share an id")
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	m, url := serve(t, Options{})
	for _, c := range []struct {
		prompt string
		stream bool
		status int
		says   string
		cut    bool
	}{
		{"[fail 429] [retry-after 7] [no-retry]", true, 429, `"type":"rate_limit_error"`, false},
		{"[fail 529]", false, 529, "overloaded_error", false},
		{"[fail 999]", false, 500, "api_error", false},
		{"[fail]", true, 500, "api_error", false},
		{"[drop 2] [say 5]", true, 200, `"text":"carrel "`, true},
		{"[drop 50] [say 2]", true, 200, `"text":"carrel."`, true},
		{"[drop 2] [say 5]", false, 200, "The carrel by the window.", false},
		{"[error-event] [say 5]", true, 200, `"error":{"type":"overloaded_error"`, false},
		{"[max-tokens]", false, 200, `"stop_reason":"max_tokens"`, false},
		{"[refusal]", false, 200, `"stop_reason":"refusal"`, false},
		{"[say 5000]", false, 200, `"stop_reason":"max_tokens"`, false},
		{"[edit x y]", false, 200, "has no `", false},
		{"[tool X {nope}]", false, 200, "not a JSON object", false},
		{"[markdown]", false, 200, "## Mathematics", false},
	} {
		resp, got, err := ask1(t, url, c.prompt, c.stream)
		if (err != nil) != c.cut {
			t.Errorf("%s: cut %v, want %v", c.prompt, err, c.cut)
		}
		if resp == nil || resp.StatusCode != c.status || !strings.Contains(got, c.says) {
			t.Errorf("%s: %+v, %s", c.prompt, resp, got)
			continue
		}
		if c.cut && strings.Contains(got, "message_stop") {
			t.Errorf("%s: the stream was not cut", c.prompt)
		}
		if strings.HasPrefix(c.prompt, "[fail 429") && (resp.Header.Get("retry-after") != "7" || resp.Header.Get("x-should-retry") != "false") {
			t.Errorf("headers %v", resp.Header)
		}
	}
	for i, want := range []int{500, 500, 200} {
		if resp, _, err := ask1(t, url, "[fail 500 2]", true); err != nil || resp.StatusCode != want {
			t.Errorf("attempt %d: %v %v, want %d", i+1, resp, err, want)
		}
	}
	if n := m.Count(func(r Request) bool { return r.Prompt == "[fail 500 2]" && len(r.Orders) == 1 }); n != 3 {
		t.Errorf("counted %d requests, want 3", n)
	}
}

// TestAnsweredCountsWhatWentOutWhole: an answer that failed, was cut or that nobody read to its end is no run.
func TestAnsweredCountsWhatWentOutWhole(t *testing.T) {
	t.Parallel()
	told := make(chan Request, 10)
	_, url := serve(t, Options{Answered: func(r Request) { told <- r }})
	for _, prompt := range []string{"[fail 500]", "[drop 2] [say 5]", "[error-event] [say 5]", "[bash ls] [say 2]", "[say 2]"} {
		_, _, _ = ask1(t, url, prompt, true) // some are cut
	}
	// One whose reader leaves.
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", url+"/v1/messages", strings.NewReader(body("[say 3] [pace 1ms] [say 2000]", true)))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	leave()
	resp.Body.Close()
	if _, _, err := ask1(t, url, "[say 4]", false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []Request{{Prompt: "[bash ls] [say 2]", Stop: "tool_use"}, {Prompt: "[say 2]", Stop: "end_turn"}, {Prompt: "[say 4]", Stop: "end_turn"}} {
		if got := <-told; got.Prompt != want.Prompt || got.Stop != want.Stop {
			t.Errorf("told of %q, %s; want %q, %s", got.Prompt, got.Stop, want.Prompt, want.Stop)
		}
	}
	if len(told) > 0 {
		t.Errorf("told of one more: %+v", <-told)
	}
}

func TestOtherRoutes(t *testing.T) {
	t.Parallel()
	_, url := serve(t, Options{APIKey: "right"})
	do := func(method, path, key, content string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("x-api-key", key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	for _, c := range []struct {
		method, path, key, content string
		status                     int
		says                       string
	}{
		{"POST", "/v1/messages", "wrong", body("x", false), 401, "authentication_error"},
		{"POST", "/v1/messages", "right", body("x", false), 200, "scripted model"},
		{"POST", "/v1/messages", "right", "{", 400, "invalid_request_error"},
		{"POST", "/v1/messages", "right", `{"model":"m"}`, 400, "messages"},
		{"POST", "/v1/messages", "right", `{"model":"no-such-model","messages":[{"role":"user","content":"x"}]}`, 404, "not_found_error"},
		{"POST", "/v1/messages/count_tokens", "right", body(strings.Repeat("word ", 100), false), 200, `{"input_tokens":126}`},
		{"GET", "/v1/models", "right", "", 200, `"id":"claude-opus-5-5"`},
		{"GET", "/v1/models/any", "right", "", 200, `"id":"any"`},
		{"GET", "/v2", "right", "", 404, "not_found_error"},
	} {
		if status, got := do(c.method, c.path, c.key, c.content); status != c.status || !strings.Contains(got, c.says) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.content, status, got)
		}
	}
}

func TestWaitReleaseAndClose(t *testing.T) {
	t.Parallel()
	m, url := serve(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()

	resp, err := http.Post(url+"/v1/messages", "application/json", strings.NewReader(body("[say 1] [wait k] [echo later]", true)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() && !strings.Contains(lines.Text(), `"text":"The."`) {
	}
	m.Release("k")
	m.Release("k")
	rest, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		rest = append(rest, lines.Bytes()...)
	}
	if !bytes.Contains(rest, []byte("later")) {
		t.Errorf("after the release: %s", rest)
	}
	if _, got, err := ask1(t, url, "[wait k] [echo open]", false); err != nil || !strings.Contains(got, "open") {
		t.Errorf("a released gate holds again: %s %v", got, err)
	}

	ended := make(chan error, 2)
	for _, prompt := range []string{"[hang]", "[stall 2]"} {
		go func() {
			_, _, err := ask1(t, url, prompt, true)
			ended <- err
		}()
		if _, err := m.Await(ctx, func(r Request) bool { return r.Prompt == prompt }); err != nil {
			t.Fatal(err)
		}
	}
	m.Close()
	m.Close()
	for range 2 {
		if err := <-ended; err == nil {
			t.Error("a waiting request ended well though the model was closed")
		}
	}
	if resp, _, err := ask1(t, url, "x", false); err != nil || resp.StatusCode != 503 {
		t.Errorf("after Close: %v %v", resp, err)
	}
	if _, err := m.Await(ctx, func(Request) bool { return false }); !errors.Is(err, ErrClosed) {
		t.Errorf("Await after Close: %v", err)
	}
}

// TestPace measures in fake time: ten tokens at 20 ms, and a stall.
func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			prompt string
			flush  int
			want   time.Duration
		}{
			{"[pace 20ms] [say 10]", 1, 200 * time.Millisecond},
			{"[pace 20] [say 10]", 5, 200 * time.Millisecond},
			{"[say 10] [stall 5 30s]", 1, 30 * time.Second},
			{"[hang 7s] [say 1]", 1, 7 * time.Second},
		} {
			m := New(Options{TokensPerFlush: c.flush})
			w := httptest.NewRecorder()
			start := time.Now()
			m.ServeHTTP(w, httptest.NewRequest("POST", "/v1/messages", strings.NewReader(body(c.prompt, true))))
			if took := time.Since(start); took != c.want || !strings.Contains(w.Body.String(), "message_stop") {
				t.Errorf("%s took %s, want %s", c.prompt, took, c.want)
			}
			m.Close()
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	defer m.Close()
	for i := range max(maxRequests, maxAttempts) + 500 {
		m.record.add(Request{}, fmt.Sprint(i))
		m.Release(fmt.Sprint(i))
	}
	r := m.record
	if len(r.requests) > maxRequests || len(r.attempts) > maxAttempts || r.order.Len() > maxAttempts || len(r.gates) > maxGates {
		t.Errorf("%d requests, %d attempts, %d gates are kept", len(r.requests), len(r.attempts), len(r.gates))
	}
	if got := m.Requests(); got[len(got)-1].Number != r.number {
		t.Errorf("the newest request is not kept")
	}
}

func TestUsageIsPlausible(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 40_000)
	request := func(messages string) usage {
		req, err := decodeRequest([]byte(`{"model":"m","system":"` + long + `","messages":[` + messages + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		return inputUsage(req)
	}
	first := request(`{"role":"user","content":"hello"}`)
	if first.CacheReadInputTokens != 0 || first.CacheCreationInputTokens < 9_990 || first.input() != 10_003 {
		t.Errorf("first request: %+v", first)
	}
	second := request(`{"role":"user","content":"hello"},{"role":"assistant","content":"hi"},{"role":"user","content":"and now something longer than before"}`)
	if second.CacheReadInputTokens < 10_000 || second.CacheCreationInputTokens == 0 || second.InputTokens != uncachedTokens {
		t.Errorf("second request: %+v", second)
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	m := New(Options{})
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, m) }()
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", l.Addr().String())
	}}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr}
	resp, err := client.Post("http://model/v1/messages", "application/json", strings.NewReader(body("[say 1] [wait never]", true)))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("the waiting answer was not cut")
	}
	resp.Body.Close()
}

func FuzzMessages(f *testing.F) {
	f.Add([]byte(body("[say 3] [bash ls]", true)))
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"x"}]}]}]}`))
	f.Add([]byte(`{"model":"m","messages":[{"role":"system","content":null},{"role":"user","content":[{"type":5}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if bytes.Contains(bytes.ToLower(b), []byte("[")) && bytes.ContainsAny(bytes.ToLower(b), "hpw") {
			for _, slow := range []string{"hang", "stall", "wait", "pace"} {
				if bytes.Contains(bytes.ToLower(b), []byte(slow)) {
					return // it would wait, as it was told to
				}
			}
		}
		m := New(Options{})
		defer m.Close()
		defer func() {
			if r := recover(); r != nil && r != any(http.ErrAbortHandler) {
				panic(r)
			}
		}()
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequest("POST", "/v1/messages", bytes.NewReader(b)))
		if w.Code == 200 && w.Body.Len() == 0 {
			t.Error("an empty answer")
		}
	})
}
