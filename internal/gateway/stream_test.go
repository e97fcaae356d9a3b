package gateway

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const hup = syscall.SIGHUP

const messageStart = `{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"model":"claude-real","usage":{"input_tokens":11,"cache_creation_input_tokens":12,"cache_read_input_tokens":13,"output_tokens":1}}}`

func delta(text string) string {
	return fmt.Sprintf(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":%q}}`, text)
}

const messageDelta = `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":99}}`

// sse writes events and flushes each.
func sse(w http.ResponseWriter, events ...string) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	}
	for _, e := range events {
		var named struct{ Type string }
		_ = json.Unmarshal([]byte(e), &named) // some tests send what is none
		_, _ = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", named.Type, e)
		_ = http.NewResponseController(w).Flush()
	}
}

// Each piece reaches the client before the upstream makes the next.
func TestChunksArriveOneByOne(t *testing.T) {
	ack := make(chan struct{})
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for _, e := range []string{messageStart, delta("s"), delta("sk"), messageDelta} {
			sse(w, e)
			select {
			case <-ack:
			case <-time.After(patience):
				panic(http.ErrAbortHandler)
			}
		}
	})
	h := setup(t, up, testKey)
	res, err := h.http(t).Do(prompt(t, true))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	n := 0
	for lines.Scan() {
		if lines.Text() == "" { // the end of an event
			n++
			ack <- struct{}{}
		}
	}
	if lines.Err() != nil || n != 4 {
		t.Fatalf("got %d events, %v", n, lines.Err())
	}
	r := h.record(t, 1)
	if !r.Stream || r.Model != "claude-real" || r.Tokens != (Tokens{Input: 11, Output: 99, CacheCreation: 12, CacheRead: 13}) || r.Estimated {
		t.Fatalf("recorded %+v", r)
	}
}

// An answer whose length is known passes piece by piece too.
func TestPiecesOfKnownLength(t *testing.T) {
	next := make(chan struct{})
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(jsonAnswer)))
		_, _ = io.WriteString(w, jsonAnswer[:8])
		_ = http.NewResponseController(w).Flush()
		select {
		case <-next:
		case <-time.After(patience):
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, jsonAnswer[8:])
	})
	h := setup(t, up, testKey)
	res, err := h.http(t).Do(prompt(t, false))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	first := make([]byte, 8) // the ninth could begin the key, and would be held back
	if _, err := io.ReadFull(res.Body, first); err != nil {
		t.Fatal(err)
	}
	close(next)
	rest, err := io.ReadAll(res.Body)
	if err != nil || string(first)+string(rest) != jsonAnswer || res.ContentLength != int64(len(jsonAnswer)) {
		t.Fatalf("got %s%s, %v", first, rest, err)
	}
	if r := h.record(t, 1); r.Output != 20 || r.Stream {
		t.Fatalf("recorded %+v", r)
	}
}

func TestMeterOfCutStreams(t *testing.T) {
	left := make(chan struct{})
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		sse(w, messageStart, delta(strings.Repeat("word", 50)))
		if r.URL.Query().Get("who") == "upstream" {
			panic(http.ErrAbortHandler)
		}
		select {
		case <-r.Context().Done():
			close(left)
		case <-time.After(patience):
		}
	})
	h := setup(t, up, testKey)
	want := Tokens{Input: 11, Output: 50, CacheCreation: 12, CacheRead: 13}

	r := prompt(t, true)
	r.URL.RawQuery = "who=upstream"
	res, err := h.http(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("a stream that was cut ends as if it were whole")
	}
	_ = res.Body.Close()
	if got := h.record(t, 1); got.Tokens != want || !got.Estimated || got.Status != 200 {
		t.Errorf("cut by the upstream: %+v", got)
	}

	ctx, cancel := context.WithCancel(t.Context())
	res, err = h.http(t).Do(prompt(t, true).WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(res.Body)
	for range 5 { // both events are here
		if _, err := in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	_ = res.Body.Close()
	select {
	case <-left: // the upstream is told, so that nobody pays for the rest
	case <-time.After(patience):
		t.Fatal("the upstream still writes for a client that left")
	}
	if got := h.record(t, 2); got.Tokens != want || !got.Estimated {
		t.Errorf("cut by the client: %+v", got)
	}
}

func TestClientLeavesBeforeTheAnswer(t *testing.T) {
	asked := make(chan struct{})
	up := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(asked)
		<-r.Context().Done()
	})
	h := setup(t, up, testKey)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, err := h.http(t).Do(prompt(t, true).WithContext(ctx)); err == nil {
		t.Fatal("got an answer")
	}
	if got := h.record(t, 1); got.Status != statusClientLeft || got.Model != "claude-asked" || got.Tokens != (Tokens{Input: promptTokens(true)}) || !got.Estimated {
		t.Fatalf("recorded %+v", got)
	}
}

func TestUpstreamFaults(t *testing.T) {
	moved := 0
	target := serve(t, func(http.ResponseWriter, *http.Request) { moved++ })
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = dead.Close()
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("do") {
		case "redirect":
			http.Redirect(w, r, target+"/v1/messages", http.StatusTemporaryRedirect)
		case "529":
			w.Header().Set("Retry-After", "7")
			w.Header().Set("X-Should-Retry", "true")
			w.WriteHeader(529)
			_, _ = io.WriteString(w, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`)
		case "gzip":
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, jsonAnswer)
			_ = z.Close()
		case "br":
			w.Header().Set("Content-Encoding", "br")
			_, _ = io.WriteString(w, "?")
		case "upgrade":
			w.Header().Set("Connection", "upgrade")
			w.Header().Set("Upgrade", "x")
			w.WriteHeader(http.StatusSwitchingProtocols)
		case "hangup":
			panic(http.ErrAbortHandler)
		}
	})
	h := setup(t, up, testKey)
	for i, c := range []struct {
		do     string
		status int
		retry  string
		body   string
	}{
		{"redirect", 502, "false", "base_url"},
		{"529", 529, "true", "Overloaded"},
		{"gzip", 200, "", "claude-real"},
		{"br", 502, "true", "encoding"},
		{"upgrade", 502, "true", "api_error"},
		{"hangup", 502, "true", "connection was lost"},
	} {
		r := prompt(t, false)
		r.URL.RawQuery = "do=" + c.do
		status, header, body := h.ask(t, r)
		if status != c.status || header.Get("X-Should-Retry") != c.retry || !strings.Contains(body, c.body) {
			t.Errorf("%s: got %d, x-should-retry %q, %s", c.do, status, header.Get("X-Should-Retry"), body)
		}
		got := h.record(t, int64(i+1))
		if got.Status != c.status || (c.do == "gzip") != (got.Output == 20) || c.do != "gzip" && got.Tokens != (Tokens{}) {
			t.Errorf("%s: recorded %+v", c.do, got)
		}
	}
	if moved > 0 {
		t.Error("a redirect was followed")
	}
	h.settings(t, "http://"+dead.Addr().String(), testKey)
	h.stop()
	h.start(t)
	status, header, body := h.ask(t, prompt(t, false))
	if status != 502 || header.Get("X-Should-Retry") != "true" || !strings.Contains(body, "refused") || strings.Contains(body, "127.0.0.1") {
		t.Errorf("dead upstream: got %d %v %s", status, header, body)
	}
}

// What is handed in again does not cut what runs.
func TestAddAgainKeepsStreams(t *testing.T) {
	next := make(chan struct{})
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		sse(w, messageStart)
		select {
		case <-next:
		case <-time.After(patience):
		}
		sse(w, messageDelta)
	})
	h := setup(t, up, testKey)
	res, err := h.http(t).Do(prompt(t, true))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	k := h.handoff(t)
	defer func() { _ = k.Close() }()
	if err := k.Add(t.Context(), testInstance, 7, h.sockets[0], h.sockets[1]); err != nil {
		t.Fatal(err)
	}
	close(next)
	if b, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(b), "message_delta") {
		t.Fatalf("got %q, %v", b, err)
	}
	if status, _, _ := h.ask(t, prompt(t, false)); status != 200 {
		t.Fatalf("got %d through the new listener", status)
	}
}
