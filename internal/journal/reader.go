package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
)

// Reader gives the events after a number in order, each once. It is for one goroutine, holds one buffer and needs no
// closing.
type Reader struct {
	journal *Journal
	next    int64 // number of the event to give next
	scan    scanner
}

// Read returns a reader of the events after a number.
func (j *Journal) Read(after int64) (*Reader, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.closed:
		return nil, ErrClosed
	case after < 0 || after > j.last:
		return nil, ErrAhead
	}
	r := &Reader{journal: j, next: after + 1, scan: newScanner(j.file, j.index.find(after+1), j.size)}
	return r, nil
}

// Next returns the next event, and waits for it if it is still to come.
func (r *Reader) Next(ctx context.Context) (Event, error) {
	for {
		line, err := r.scan.next()
		if err != nil {
			if _, _, closed := r.journal.look(0); closed != nil {
				return Event{}, closed // it was closed while we read
			}
			return Event{}, fmt.Errorf("read journal: %w", err)
		}
		if line == nil {
			if err := r.wait(ctx); err != nil {
				return Event{}, err
			}
			continue
		}
		if seq, _, ok := parseSeq(line); ok && seq < r.next {
			continue // the index leads to an event before
		}
		e, ok := parse(line)
		if !ok || e.Seq != r.next {
			return Event{}, fmt.Errorf("read journal: event %d is damaged", r.next)
		}
		r.next++
		return e, nil
	}
}

func (r *Reader) wait(ctx context.Context) error {
	size, changed, err := r.journal.look(r.scan.limit)
	if err != nil {
		return err
	}
	if changed != nil {
		select {
		case <-changed:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	r.scan.limit = size
	return nil
}

// scanner cuts a part of a file into lines. It holds no more than one line, or a buffer.
type scanner struct {
	file       io.ReaderAt
	off        int64 // of what is to be read next
	limit      int64 // what lies behind does not count yet
	buf        []byte
	begin, end int // of what was read and not yet given
}

const (
	readBytes    = 64 << 10
	maxLineBytes = MaxEventBytes + 128 // with number and time
)

var errLongLine = errors.New("line is too long")

func newScanner(f io.ReaderAt, off, limit int64) scanner {
	return scanner{file: f, off: off, limit: limit}
}

// next returns the next line with its line break, valid until the next call, or nil when no whole one is left.
func (s *scanner) next() ([]byte, error) {
	searched := 0
	for {
		if i := bytes.IndexByte(s.buf[s.begin+searched:s.end], '\n'); i >= 0 {
			line := s.buf[s.begin : s.begin+searched+i+1]
			s.begin += len(line)
			return line, nil
		}
		searched = s.end - s.begin
		if searched > maxLineBytes {
			return nil, errLongLine
		}
		if s.off >= s.limit {
			return nil, nil
		}
		s.makeRoom()
		n := min(int64(len(s.buf)-s.end), s.limit-s.off)
		got, err := s.file.ReadAt(s.buf[s.end:s.end+int(n)], s.off)
		s.end += got
		s.off += int64(got)
		if err != nil && !(errors.Is(err, io.EOF) && got > 0) {
			return nil, err
		}
	}
}

// makeRoom moves what is left to the front, grows the buffer for a long line, and shrinks it after one.
func (s *scanner) makeRoom() {
	left := s.end - s.begin
	size := len(s.buf)
	switch {
	case left == 0:
		size = readBytes
	case left*2 > size:
		size = max(readBytes, size*2)
	}
	buf := s.buf
	if size != len(s.buf) {
		buf = make([]byte, size)
	}
	copy(buf, s.buf[s.begin:s.end])
	s.buf, s.begin, s.end = buf, 0, left
}

// index knows where some events begin. However long the journal, it stays small: when it is full, every second entry
// goes, and those to come are twice as far apart.
type index struct {
	step  int64 // bytes between entries
	marks []mark
}

type mark struct{ seq, off int64 }

const (
	maxMarks  = 1024
	firstStep = 32 << 10
)

func (x *index) add(seq, off int64) {
	if len(x.marks) > 0 && off < x.marks[len(x.marks)-1].off+max(x.step, firstStep) {
		return
	}
	if len(x.marks) == maxMarks {
		odd := false
		x.marks = slices.DeleteFunc(x.marks, func(mark) bool { odd = !odd; return !odd })
		x.step = 2 * max(x.step, firstStep)
	}
	x.marks = append(x.marks, mark{seq, off})
}

// find is an offset at which an event begins that is not after seq.
func (x *index) find(seq int64) int64 {
	i := sort.Search(len(x.marks), func(i int) bool { return x.marks[i].seq > seq })
	if i == 0 {
		return 0
	}
	return x.marks[i-1].off
}
