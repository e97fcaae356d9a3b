package socket

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/carrel-dev/carrel/internal/fault"
)

const (
	// chunkBytes is how much of a message is written at a time, so that a slow
	// reader can be told from one that takes nothing.
	chunkBytes = 64 << 10
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
}

func newWire(ws *websocket.Conn) *wire {
	w := &wire{ws: ws}
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

// receive reads one message of at most limit bytes. Of a larger one it gives
// the beginning and a too_large error: the rest has been read and thrown away,
// so the connection goes on.
func (w *wire) receive(limit int) (websocket.MessageType, []byte, error) {
	typ, r, err := w.ws.Reader(context.Background())
	if err != nil {
		return 0, nil, err
	}
	mark(&w.heard)
	buf := make([]byte, 0, 4096)
	for len(buf) <= limit {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):min(cap(buf), limit+1)])
		buf = buf[:len(buf)+n]
		mark(&w.heard)
		if errors.Is(err, io.EOF) {
			if len(buf) <= limit {
				return typ, buf, nil
			}
			break
		}
		if err != nil {
			return 0, nil, err
		}
		if len(buf) > limit {
			if err := w.discard(r); err != nil {
				return 0, nil, err
			}
		}
	}
	return typ, buf[:min(len(buf), maxNamedPrefix)], fault.New(fault.TooLarge, "The message is larger than %d bytes. Send a shorter one, or put the data into a file and name that.", limit)
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
