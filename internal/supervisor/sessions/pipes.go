package sessions

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

// maxLineBytes bounds a line of Claude's. The largest seen had a picture in it, of some MiB.
const maxLineBytes = 16 << 20

var errLongLine = errors.New("a line is too long")

// readLines gives each line to f, without its line break and valid until f returns. It ends with nil at the end of
// the input, and with errLongLine when a line is longer than limit; it never holds more than that.
func readLines(r io.Reader, limit int, f func([]byte) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	var long []byte // of a line that is longer than the reader's buffer
	for {
		part, err := in.ReadSlice('\n')
		if len(long)+len(part) > limit {
			return errLongLine
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			long = append(long, part...)
			continue
		}
		line := part
		if len(long) > 0 {
			long = append(long, part...)
			line = long
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if err := f(line); err != nil {
				return err
			}
		}
		if long = long[:0]; cap(long) > 1<<20 {
			long = nil
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// tail keeps the end of what was written.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailBytes = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if len(p) > tailBytes {
		p = p[len(p)-tailBytes:]
	}
	if over := len(t.buf) + len(p) - tailBytes; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	t.buf = append(t.buf, p...)
	return n, nil
}

// String is the end, as text.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(strings.ToValidUTF8(string(t.buf), "\uFFFD"))
}

// writer writes lines to a pipe in the order in which they were put in, and lets nobody wait who puts one in. What
// is put in is bounded by the limits on a session's open prompts.
type writer struct {
	file *os.File
	wake chan struct{} // holds one

	mu     sync.Mutex
	queue  [][]byte
	closed bool
}

func newWriter(f *os.File) *writer { return &writer{file: f, wake: make(chan struct{}, 1)} }

func (w *writer) put(line []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.queue = append(w.queue, line)
	w.nudge()
}

func (w *writer) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// close ends run, also while it writes. The file is closed.
func (w *writer) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		w.queue = nil
		_ = w.file.Close() // the other end is gone or about to be
		w.nudge()
	}
}

// run writes until close, or until nobody reads: whoever waits for an answer learns that from the process's end.
func (w *writer) run() {
	for range w.wake {
		w.mu.Lock()
		lines, closed := w.queue, w.closed
		w.queue = nil
		w.mu.Unlock()
		if closed {
			return
		}
		for _, line := range lines {
			if _, err := w.file.Write(line); err != nil {
				w.close()
				break
			}
		}
	}
}

// pipes are the ends of a process's standard files.
type pipes struct {
	stdin, stdout, stderr          *os.File // ours
	childIn, childOut, childErrors *os.File
}

func newPipes() (p pipes, err error) {
	for _, ends := range []struct{ read, write **os.File }{
		{&p.childIn, &p.stdin}, {&p.stdout, &p.childOut}, {&p.stderr, &p.childErrors},
	} {
		if *ends.read, *ends.write, err = os.Pipe(); err != nil {
			p.closeOurs()
			for _, f := range []*os.File{p.childIn, p.childOut, p.childErrors} {
				_ = f.Close() // nil or unused
			}
			return pipes{}, fmt.Errorf("make pipes: %w", err)
		}
	}
	return p, nil
}

func (p *pipes) closeOurs() {
	for _, f := range []*os.File{p.stdin, p.stdout, p.stderr} {
		_ = f.Close() // nil, unused, or read to its end
	}
}
