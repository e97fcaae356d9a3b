package journal

import (
	"bytes"
	"errors"
	"io"
)

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

// reset goes on elsewhere with the same buffer.
func (s *scanner) reset(f io.ReaderAt, off, limit int64) {
	*s = scanner{file: f, off: off, limit: limit, buf: s.buf}
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
