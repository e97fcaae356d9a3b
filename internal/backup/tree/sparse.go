package tree

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// A file with holes has a body of extents, one after the other: offset and
// length as two big-endian numbers of 8 bytes, and that many bytes. tar's own
// forms of it need the whole map first, or are not written by archive/tar.

type extent struct{ off, n int64 }

// extents are where a file has data; small holes count as data.
func extents(f *os.File, size int64) ([]extent, error) {
	fd := int(f.Fd())
	var out []extent
	for at := int64(0); at < size; {
		begin, err := unix.Seek(fd, at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) || err == nil && begin >= size {
			break
		}
		if err != nil {
			return nil, err
		}
		end, err := unix.Seek(fd, begin, unix.SEEK_HOLE)
		if err != nil {
			return nil, err
		}
		end = min(end, size)
		if k := len(out) - 1; k >= 0 && begin-(out[k].off+out[k].n) < minHole {
			out[k].n = end - out[k].off
		} else {
			out = append(out, extent{begin, end - begin})
		}
		at = end
	}
	return out, nil
}

func holes(all []extent, size int64) int64 {
	for _, e := range all {
		size -= e.n
	}
	return size
}

type sparseReader struct {
	f    *os.File
	rest []extent
	now  io.Reader
	size int64
}

const extentHead = 16

func newSparseReader(f *os.File, all []extent) *sparseReader {
	r := &sparseReader{f: f, rest: all, now: eofReader{}}
	for _, e := range all {
		r.size += extentHead + e.n
	}
	return r
}

type eofReader struct{}

func (eofReader) Read([]byte) (int, error) { return 0, io.EOF }

func (r *sparseReader) Read(b []byte) (int, error) {
	for {
		n, err := r.now.Read(b)
		if n > 0 || !errors.Is(err, io.EOF) {
			return n, nil //nolint:nilerr // what is read here fails only by its end
		}
		if len(r.rest) == 0 {
			return 0, io.EOF
		}
		e := r.rest[0]
		r.rest = r.rest[1:]
		head := make([]byte, extentHead)
		binary.BigEndian.PutUint64(head, uint64(e.off))
		binary.BigEndian.PutUint64(head[8:], uint64(e.n))
		r.now = io.MultiReader(&memory{head}, &section{r.f, e.off, e.n})
	}
}

type memory struct{ b []byte }

func (m *memory) Read(b []byte) (int, error) {
	if len(m.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, m.b)
	m.b = m.b[n:]
	return n, nil
}

// section reads a part of a file, and zeros where it has gone.
type section struct {
	f         *os.File
	off, left int64
}

func (s *section) Read(b []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), s.left)]
	n, err := s.f.ReadAt(b, s.off)
	if err != nil {
		clear(b[n:])
	}
	s.off += int64(len(b))
	s.left -= int64(len(b))
	return len(b), nil
}

const zeroBlock = 4096

// writeSparse writes extents; blocks of zeros become holes.
func writeSparse(f *os.File, size int64, body io.Reader) error {
	if size < 0 {
		return errors.New("a file with holes of no size")
	}
	if err := f.Truncate(size); err != nil {
		return err
	}
	head := make([]byte, extentHead)
	block := make([]byte, 64*zeroBlock)
	for at := int64(0); ; {
		if _, err := io.ReadFull(body, head); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a file with holes: %w", err)
		}
		off, n := int64(binary.BigEndian.Uint64(head)), int64(binary.BigEndian.Uint64(head[8:]))
		if off < at || n < 0 || off > size || n > size-off {
			return errors.New("the parts of a file with holes are not in order")
		}
		for at = off; n > 0; {
			b := block[:min(int64(len(block)), n)]
			if _, err := io.ReadFull(body, b); err != nil {
				return fmt.Errorf("read a file with holes: %w", err)
			}
			if err := writeData(f, b, at); err != nil {
				return err
			}
			at += int64(len(b))
			n -= int64(len(b))
		}
	}
}

func writeData(f *os.File, b []byte, at int64) error {
	for len(b) > 0 {
		n := min(len(b), zeroBlock)
		if !zeros(b[:n]) {
			for n < len(b) && !zeros(b[n:min(n+zeroBlock, len(b))]) {
				n = min(n+zeroBlock, len(b))
			}
			if _, err := f.WriteAt(b[:n], at); err != nil {
				return err
			}
		}
		b = b[n:]
		at += int64(n)
	}
	return nil
}

func zeros(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
