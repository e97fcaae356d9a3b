package supervisor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

const (
	scrollbackBytes = 256 << 10
	chunkBytes      = 32 << 10
	// readerPatience is how long output waits for an attached reader that is a whole scrollback behind. A fast
	// program is thereby held to the speed of who looks at it, as on any terminal; who has stopped looking is cut off.
	readerPatience = 5 * time.Second
)

// scrollback is the last of a terminal's output, read by any number of readers, each at a place of its own. It also
// tells them the window's size, at the place in the output where it changed.
type scrollback struct {
	mu      sync.Mutex
	buf     []byte // its last scrollbackBytes count
	modes   modes  // set before buf begins
	size    size
	end     int64 // how much was ever written
	closed  bool
	changed chan struct{} // closed and replaced at every write and at the end
	moved   chan struct{} // closed and replaced whenever a reader got on or left
	readers map[*reader]bool
}

type size struct{ cols, rows uint16 }

type reader struct {
	at     int64
	size   size      // that it was told
	movedT time.Time // when it last got on
	cut    bool
}

func newScrollback(cols, rows uint16) *scrollback {
	return &scrollback{size: size{cols, rows}, modes: modes{}, changed: make(chan struct{}), moved: make(chan struct{}), readers: map[*reader]bool{}}
}

// write appends output. It waits for readers that would lose some of it, but not for ever.
func (s *scrollback) write(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		var wait time.Duration
		for r := range s.readers {
			if r.cut || s.end+int64(len(p))-r.at <= scrollbackBytes {
				continue
			}
			if left := readerPatience - time.Since(r.movedT); left > 0 {
				wait = max(wait, left)
			} else {
				r.cut = true
			}
		}
		if wait == 0 {
			break
		}
		moved := s.moved
		s.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-moved:
		case <-timer.C:
		}
		timer.Stop()
		s.mu.Lock()
	}
	s.buf = append(s.buf, p...)
	if gone := len(s.buf) - scrollbackBytes; gone > scrollbackBytes {
		s.modes.read(s.buf, gone)
		s.buf = append(s.buf[:0], s.buf[gone:]...)
	}
	s.end += int64(len(p))
	s.wakeLocked()
}

func (s *scrollback) wakeLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// resize has f change the window's size, and tells every reader before anything that is written because of it.
func (s *scrollback) resize(cols, rows uint16, f func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := f(); err != nil {
		return err
	}
	s.size = size{cols, rows}
	s.wakeLocked()
	return nil
}

// close says that no more will be written.
func (s *scrollback) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.wakeLocked()
}

// start is where the oldest byte that is still there stands.
func (s *scrollback) startLocked() int64 { return s.end - int64(min(len(s.buf), scrollbackBytes)) }

// enterLocked places a new reader behind the first after bytes, or at the beginning of what is left if that is not there.
func (s *scrollback) enterLocked(after int64) (*reader, *protocol.TerminalAttached) {
	r := &reader{at: after, size: s.size, movedT: time.Now()}
	a := &protocol.TerminalAttached{To: s.end, Cols: s.size.cols, Rows: s.size.rows}
	if start := s.startLocked(); after < start || after > s.end {
		r.at = start
		if start > 0 {
			// What was cut may begin in the middle of a character or a colour: begin at a line.
			tail := s.buf[len(s.buf)-int(s.end-start):]
			if i := bytes.IndexByte(tail[:min(len(tail), 4096)], '\n'); i >= 0 {
				r.at += int64(i) + 1
			}
		}
		m := maps.Clone(s.modes)
		m.read(s.buf, len(s.buf)-int(s.end-r.at))
		a.Modes = m.String()
	}
	a.From = r.at
	s.readers[r] = true
	return r, a
}

// follow gives send where the output begins, what there is behind the first after bytes, and what comes, until the
// end (nil), ctx, or an error of send. A reader that does not keep up is a fault.SlowConsumer.
func (s *scrollback) follow(ctx context.Context, after int64, send func(*protocol.TerminalOutput) error) error {
	s.mu.Lock()
	r, attached := s.enterLocked(after)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.readers, r)
		s.movedLocked()
	}()
	// At once: it tells the caller that the terminal is there.
	if err := send(&protocol.TerminalOutput{Attached: attached}); err != nil {
		return err
	}
	chunk := make([]byte, chunkBytes)
	for {
		out, err := s.next(ctx, r, chunk)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := send(out); err != nil {
			return err
		}
	}
}

func (s *scrollback) movedLocked() {
	close(s.moved)
	s.moved = make(chan struct{})
}

// next waits for a new size, or for output after a reader's place, and copies some of it.
func (s *scrollback) next(ctx context.Context, r *reader, chunk []byte) (*protocol.TerminalOutput, error) {
	for {
		s.mu.Lock()
		if r.cut || r.at < s.startLocked() {
			s.mu.Unlock()
			return nil, fault.New(fault.SlowConsumer, "Your connection could not keep up with the terminal's output. Open the terminal again to go on.")
		}
		if r.size != s.size {
			r.size = s.size
			s.mu.Unlock()
			return &protocol.TerminalOutput{Cols: r.size.cols, Rows: r.size.rows}, nil
		}
		if r.at < s.end {
			n := copy(chunk, s.buf[len(s.buf)-int(s.end-r.at):])
			r.at += int64(n)
			r.movedT = time.Now()
			s.movedLocked()
			s.mu.Unlock()
			return &protocol.TerminalOutput{Data: chunk[:n]}, nil
		}
		r.movedT = time.Now() // it waits for us, not we for it
		closed, changed := s.closed, s.changed
		s.mu.Unlock()
		if closed {
			return nil, io.EOF
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
