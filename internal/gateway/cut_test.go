package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// promptTokens is what prompt's request is taken for where nobody says.
func promptTokens(stream bool) int64 {
	return int64(len(fmt.Sprintf(`{"model":"claude-asked","stream":%v,"messages":[{"role":"user","content":"hi"}]}`, stream))) / bytesPerToken
}

// readAndLeave reads the first bytes of an answer and closes the connection.
func (h *house) readAndLeave(t *testing.T, stream bool, first int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client := h.http(t)
	res, err := client.Do(prompt(t, stream).WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(res.Body, make([]byte, first)); err != nil {
		t.Error(err)
	}
	cancel()
	_ = res.Body.Close()
	client.CloseIdleConnections()
}

// halfOf serves the first bytes of an answer in one piece, and the rest when
// it is told to. gone is closed when the upstream is not wanted any more.
func halfOf(t *testing.T, first int, rest <-chan struct{}) (url string, gone <-chan struct{}) {
	left := make(chan struct{})
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, jsonAnswer[:first])
		_ = http.NewResponseController(w).Flush()
		select {
		case <-rest:
			_, _ = io.WriteString(w, jsonAnswer[first:])
		case <-r.Context().Done():
			close(left)
		case <-time.After(patience):
		}
	}), left
}

// What an answer in one piece took stands at its end: who closes before that
// has it counted all the same.
func TestAnswerThatIsNotReadToItsEnd(t *testing.T) {
	rest := make(chan struct{})
	up, _ := halfOf(t, 40, rest)
	h := setup(t, up, "")
	h.readAndLeave(t, false, 8)
	close(rest)
	got := h.record(t, 1)
	if got.Tokens != (Tokens{Input: 10, Output: 20, CacheCreation: 30, CacheRead: 40}) || got.Estimated || got.Status != 200 {
		t.Errorf("recorded %+v", got)
	}
}

// An end that does not come is not waited for without bound; what is known is counted.
func TestAnswerWithoutAnEnd(t *testing.T) {
	up, gone := halfOf(t, 40, nil)
	h := setup(t, up, "", func(o *Options) { o.restTimeout = 10 * time.Millisecond })
	h.readAndLeave(t, false, 8)
	if got := h.record(t, 1); got.Tokens != (Tokens{Input: promptTokens(false), Output: 10}) || !got.Estimated {
		t.Errorf("recorded %+v", got)
	}
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("the upstream still writes")
	}
}

// A gateway that stops does not wait for it beyond its grace, and counts it.
func TestStopWhileNobodyReads(t *testing.T) {
	up, gone := halfOf(t, 40, nil)
	h := setup(t, up, "", func(o *Options) { o.restTimeout = time.Hour })
	h.readAndLeave(t, false, 8)
	h.stop()
	<-gone
	h.start(t)
	if got := h.record(t, 1); got.Tokens != (Tokens{Input: promptTokens(false), Output: 10}) || !got.Estimated {
		t.Errorf("recorded %+v", got)
	}
}

// A stream that is cut before it says anything has been begun.
func TestStreamCutBeforeItsStart(t *testing.T) {
	left := make(chan struct{})
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		sse(w, `{"type":"ping"}`)
		<-r.Context().Done()
		close(left)
	})
	h := setup(t, up, "")
	h.readAndLeave(t, true, 8)
	<-left // at once: nobody pays for what nobody reads
	if got := h.record(t, 1); got.Tokens != (Tokens{Input: promptTokens(true)}) || !got.Estimated || !got.Stream {
		t.Errorf("recorded %+v", got)
	}
}

// A request that the API never had whole costs nothing.
func TestHalfARequest(t *testing.T) {
	up := serve(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	h := setup(t, up, "")
	r := prompt(t, true)
	half, w := io.Pipe()
	r.Body, r.ContentLength = half, 1000
	go func() {
		_, _ = io.WriteString(w, `{"model":"claude-asked",`)
		_ = w.CloseWithError(io.ErrUnexpectedEOF)
	}()
	if _, err := h.http(t).Do(r); err == nil {
		t.Fatal("got an answer")
	}
	if got := h.record(t, 1); got.Tokens != (Tokens{}) || got.Estimated {
		t.Errorf("recorded %+v", got)
	}
}
