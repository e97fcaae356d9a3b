package supervisor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
)

const (
	scrollbackBytes = 256 << 10
	chunkBytes      = 32 << 10
	// readerPatience is how long output waits for an attached reader that is a whole scrollback behind. A fast
	// program is thereby held to the speed of who looks at it, as on any terminal; who has stopped looking is cut off.
	readerPatience = 5 * time.Second
)

// scrollback is the last of a terminal's output, read by any number of readers, each at a place of its own.
type scrollback struct {
	mu      sync.Mutex
	buf     []byte // its last scrollbackBytes count
	end     int64  // how much was ever written
	closed  bool
	changed chan struct{} // closed and replaced at every write and at the end
	moved   chan struct{} // closed and replaced whenever a reader got on or left
	readers map[*reader]bool
}

type reader struct {
	at     int64
	movedT time.Time // when it last got on
	cut    bool
}

func newScrollback() *scrollback {
	return &scrollback{changed: make(chan struct{}), moved: make(chan struct{}), readers: map[*reader]bool{}}
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
	if len(s.buf) > 2*scrollbackBytes {
		s.buf = append(s.buf[:0], s.buf[len(s.buf)-scrollbackBytes:]...)
	}
	s.end += int64(len(p))
	s.wakeLocked()
}

func (s *scrollback) wakeLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
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

// follow gives send what there is and what comes, until the end (nil), ctx, or an error of send. A reader that does
// not keep up is a fault.SlowConsumer.
func (s *scrollback) follow(ctx context.Context, send func([]byte) error) error {
	s.mu.Lock()
	r := &reader{at: s.startLocked(), movedT: time.Now()}
	if r.at > 0 {
		// What was cut may begin in the middle of a character or a colour: begin at a line.
		tail := s.buf[len(s.buf)-int(s.end-r.at):]
		if i := bytes.IndexByte(tail[:min(len(tail), 4096)], '\n'); i >= 0 {
			r.at += int64(i) + 1
		}
	}
	s.readers[r] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.readers, r)
		s.movedLocked()
	}()
	chunk := make([]byte, chunkBytes)
	for {
		n, err := s.next(ctx, r, chunk)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := send(chunk[:n]); err != nil {
			return err
		}
	}
}

func (s *scrollback) movedLocked() {
	close(s.moved)
	s.moved = make(chan struct{})
}

// next waits for output after a reader's place and copies some of it.
func (s *scrollback) next(ctx context.Context, r *reader, chunk []byte) (int, error) {
	for {
		s.mu.Lock()
		if r.cut || r.at < s.startLocked() {
			s.mu.Unlock()
			return 0, fault.New(fault.SlowConsumer, "Your connection could not keep up with the terminal's output. Open the terminal again to go on.")
		}
		if r.at < s.end {
			n := copy(chunk, s.buf[len(s.buf)-int(s.end-r.at):])
			r.at += int64(n)
			r.movedT = time.Now()
			s.movedLocked()
			s.mu.Unlock()
			return n, nil
		}
		r.movedT = time.Now() // it waits for us, not we for it
		closed, changed := s.closed, s.changed
		s.mu.Unlock()
		if closed {
			return 0, io.EOF
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}
