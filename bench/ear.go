package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// ear is a client that counts what it is sent and keeps nothing of it, so that
// thousands of them leave the processor to the server.
type ear struct {
	session string
	conn    *websocket.Conn
	stop    context.CancelFunc
	done    chan struct{}
	last    int64 // of the last event; the reader's

	events  atomic.Int64
	results atomic.Int64 // ends of turns among them
	wrong   atomic.Int64 // came twice, or after a later one

	mu     sync.Mutex
	delays []float64 // guarded by mu; of some events, from the journal to here
}

// oneIn is how many events go by between two whose delay is looked at.
const oneIn = 20

// listen connects as a person and subscribes to a session.
func (p *person) listen(ctx context.Context, session string, after int64) (*ear, error) {
	conn, _, err := websocket.Dial(ctx, p.url+"/api/v1/ws", &websocket.DialOptions{ //nolint:bodyclose // the library owns it
		HTTPClient: p.client, HTTPHeader: http.Header{"Origin": {p.url}},
	})
	if err != nil {
		return nil, fmt.Errorf("open a WebSocket: %w", err)
	}
	conn.SetReadLimit(-1)
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	e := &ear{session: session, last: after, conn: conn, stop: cancel, done: make(chan struct{})}
	go e.read(life)
	subscribe := fmt.Appendf(nil, `{"type":"subscribe","session_id":%q,"after":%d}`, session, after)
	return e, conn.Write(ctx, websocket.MessageText, subscribe)
}

func (e *ear) read(ctx context.Context) {
	defer close(e.done)
	buf := make([]byte, 512)
	for {
		_, r, err := e.conn.Reader(ctx)
		if err != nil {
			return
		}
		n := 0
		for err == nil && n < len(buf) { // all that is looked at stands at the beginning
			var got int
			got, err = r.Read(buf[n:])
			n += got
		}
		e.take(buf[:n])
		for err == nil {
			_, err = r.Read(buf)
		}
	}
}

// take looks at the beginning of a message.
func (e *ear) take(message []byte) {
	h, ok := headOf(message)
	if !ok {
		return
	}
	if h.seq <= e.last {
		e.wrong.Add(1)
	}
	e.last = h.seq
	if h.result {
		e.results.Add(1)
	}
	if e.events.Add(1)%oneIn != 0 {
		return
	}
	if at, err := time.Parse(time.RFC3339Nano, h.at); err == nil {
		delay := time.Since(at).Seconds()
		e.mu.Lock()
		defer e.mu.Unlock()
		e.delays = append(e.delays, delay)
	}
}

// head is what of an event stands before what the CLI said, and whether that ends a turn.
type head struct {
	seq    int64
	at     string // when it was written to the journal
	result bool
}

// headOf reads the beginning of a message; it is no event where it says no.
func headOf(message []byte) (h head, ok bool) {
	if !bytes.HasPrefix(message, []byte(`{"type":"event",`)) {
		return h, false
	}
	_, rest, ok := bytes.Cut(message, []byte(`,"seq":`))
	if !ok {
		return h, false
	}
	seq, rest, ok := bytes.Cut(rest, []byte(`,"at":"`))
	if !ok {
		return h, false
	}
	at, rest, ok := bytes.Cut(rest, []byte(`","event":`))
	if !ok {
		return h, false
	}
	n, err := strconv.ParseInt(string(seq), 10, 64)
	return head{n, string(at), bytes.HasPrefix(rest, []byte(`{"type":"result"`))}, err == nil
}

// gone tells whether the server or the network has ended it.
func (e *ear) gone() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

// takeDelays gives the delays since the last time.
func (e *ear) takeDelays() []float64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	d := e.delays
	e.delays = nil
	return d
}

func (e *ear) close() {
	e.stop() // the reader is in a read, which this ends, with the connection
	<-e.done
}
