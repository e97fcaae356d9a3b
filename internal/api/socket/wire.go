package socket

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/carrel-dev/carrel/internal/api/allowance"
	"github.com/carrel-dev/carrel/internal/fault"
)

const (
	// chunkBytes is how much of a message is written at a time, so that a slow
	// reader can be told from one that takes nothing.
	chunkBytes = 64 << 10
	// firstBytes is what a message may take whatever the user holds: to interrupt, or to withdraw, is always possible.
	firstBytes = 4096
	// maxDiscarded bounds what is read of a message that is too large anyway.
	maxDiscarded = 1 << 30
)

// wire is an upgraded connection that knows when its peer last showed a sign
// of life. Its contexts never end: in coder/websocket the end of a context
// cuts the connection, and ours end by a close frame where that is possible.
type wire struct {
	ws      *websocket.Conn
	heard   atomic.Int64 // when bytes came, in Unix nanoseconds
	taken   atomic.Int64 // when bytes that we sent were taken
	writing atomic.Int32 // messages that are being written
	asked   atomic.Bool  // a ping is out

	held     *allowance.Allowance // for messages that come
	patience time.Duration        // for one message to come whole
}

func newWire(ws *websocket.Conn, held *allowance.Allowance, patience time.Duration) *wire {
	w := &wire{ws: ws, held: held, patience: patience}
	mark(&w.heard)
	mark(&w.taken)
	return w
}

func mark(t *atomic.Int64)                { t.Store(time.Now().UnixNano()) }
func since(t *atomic.Int64) time.Duration { return time.Duration(time.Now().UnixNano() - t.Load()) }

// write sends one message. It returns when the peer's side has taken it or the connection ends.
func (w *wire) write(typ websocket.MessageType, data []byte) error {
	if w.writing.Add(1) == 1 {
		mark(&w.taken) // the wait begins now
	}
	defer w.writing.Add(-1)
	if len(data) <= chunkBytes {
		err := w.ws.Write(context.Background(), typ, data)
		mark(&w.taken)
		return err
	}
	m, err := w.ws.Writer(context.Background(), typ)
	if err != nil {
		return err
	}
	for len(data) > 0 {
		n := min(len(data), chunkBytes)
		if _, err := m.Write(data[:n]); err != nil {
			return err
		}
		mark(&w.taken)
		data = data[n:]
	}
	return m.Close()
}

// message is one that came whole.
type message struct {
	typ  websocket.MessageType
	data []byte
	held int // of the allowance; given back by done
}

// done lets go of a message.
func (w *wire) done(m message) { w.held.Give(m.held) }

// receive reads one message of at most limit bytes. Of a larger one, or one for which the user holds too much already,
// it gives the beginning and a too_large or rate_limited error: the rest has been read and thrown away, so the
// connection goes on. One that does not come to its end in time ends the connection.
func (w *wire) receive(limit int) (message, error) {
	typ, r, err := w.ws.Reader(context.Background())
	if err != nil {
		return message{}, err
	}
	mark(&w.heard)
	late := time.AfterFunc(w.patience, func() { _ = w.ws.CloseNow() }) // frees the reader
	defer late.Stop()
	m := message{typ: typ, data: make([]byte, 0, firstBytes)}
	w.hold(&m, firstBytes)
	room, ended := true, false
	for !ended && len(m.data) <= limit {
		if len(m.data) == cap(m.data) {
			if room = w.hold(&m, min(2*cap(m.data), limit+1)); !room {
				break
			}
			m.data = slices.Grow(m.data, m.held-len(m.data))
		}
		n, err := r.Read(m.data[len(m.data):min(cap(m.data), limit+1)])
		m.data = m.data[:len(m.data)+n]
		mark(&w.heard)
		if ended = errors.Is(err, io.EOF); err != nil && !ended {
			w.done(m)
			return message{}, err
		}
	}
	if ended && room && len(m.data) <= limit {
		return m, nil
	}
	w.done(m)
	m = message{typ: typ, data: slices.Clone(m.data[:min(len(m.data), maxNamedPrefix)])}
	if !ended {
		if err := w.discard(r); err != nil {
			return message{}, err
		}
	}
	if !room {
		return m, fault.New(fault.RateLimited, "Too much of yours is on its way at one time. Wait for the answers to the messages before, and send it again.")
	}
	return m, fault.New(fault.TooLarge, "The message is larger than %s. Send a shorter one, or put the data into a file and name that.", fault.Size(int64(limit)))
}

// hold takes as much of the allowance as a message needs to be of a size.
func (w *wire) hold(m *message, size int) bool {
	if !w.held.Take(size - m.held) {
		return false
	}
	m.held = size
	return true
}

func (w *wire) discard(r io.Reader) error {
	buf := make([]byte, 32<<10)
	for total := 0; total < maxDiscarded; {
		n, err := r.Read(buf)
		total += n
		mark(&w.heard)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return endTooMuch
}

// stalled tells whether a message has been waiting to be taken for too long.
func (w *wire) stalled(times Times) bool {
	return w.writing.Load() > 0 && since(&w.taken) >= times.Stall
}

// quiet tells whether the peer has to be asked if it is there: one that gave or
// took something needs no asking, a pong cannot be seen while a large message
// comes in, and while one is being written a stall tells.
func (w *wire) quiet(times Times) bool {
	return w.writing.Load() == 0 && since(&w.heard) >= times.Ping && since(&w.taken) >= times.Ping
}

// ask pings the peer and tells whether it is there.
func (w *wire) ask(ctx context.Context, times Times) bool {
	pctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), times.Ping)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)() // the end of pctx while the ping is being written cuts the connection, which ends anyway
	if w.ws.Ping(pctx) == nil {
		mark(&w.heard)
		return true
	}
	return !w.quiet(times)
}

// close ends the connection with a close frame if the message that is being
// written gets out within grace, else by force. written is closed when nobody
// writes any more; a reader is freed by this.
func (w *wire) close(e *ending, written <-chan struct{}, grace time.Duration) {
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-written:
	case <-t.C:
		_ = w.ws.CloseNow() // frees the writer
		<-written
		return
	}
	if e == endSilent {
		_ = w.ws.CloseNow() // nobody there to shake hands with
		return
	}
	_ = w.ws.Close(e.code, e.reason) // that the peer does not answer is its own affair
}
