package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Names beside a journal's own.
const (
	pastSuffix    = ".past"
	newSuffix     = ".new"     // the next tail, not yet complete
	damagedSuffix = ".damaged" // what was cut away and was more than a torn line
)

// Open opens a journal, making it if need be. What a crash left torn or unfinished is cut away. It reads the tail and
// the end of the past, so its cost does not grow with what was compacted.
func Open(path string) (*Journal, error) {
	tail, err := openTail(path)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j := &Journal{path: path, disk: realDisk{}, tail: part{file: tail}}
	if err := j.load(tail.File); err != nil {
		err = errors.Join(err, tail.Unlock(), tail.Close())
		if j.past.file != nil {
			err = errors.Join(err, j.past.Close())
		}
		return nil, fmt.Errorf("open journal: %w", err)
	}
	return j, nil
}

func (j *Journal) load(tail *os.File) error {
	if err := os.Remove(j.path + newSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	first, err := j.loadTail(tail)
	if err != nil {
		return err
	}
	past, err := os.OpenFile(j.path+pastSuffix, os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	j.past.file = realFile{past}
	return j.loadPast(past, first)
}

// loadTail reads all events of the tail and cuts what is not one. It gives the number of the first.
func (j *Journal) loadTail(f *os.File) (first int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	j.unnamed = info.Size() == 0
	s := newScanner(f, 0, info.Size())
	for {
		line, err := s.next()
		if err != nil && !errors.Is(err, errLongLine) {
			return 0, err
		}
		e, ok := parse(line)
		if !ok || first > 0 && e.Seq != j.last+1 && (e.Seq <= j.last || !bytes.Equal(e.Data, gap)) || bytes.IndexByte(line, 0) >= 0 {
			break
		}
		if first == 0 {
			first = e.Seq
		}
		j.last = e.Seq
		j.tail.size += int64(len(line))
	}
	if j.tail.size == info.Size() {
		return first, nil
	}
	if err := keepDamaged(f, j.tail.size, info.Size(), j.path); err != nil {
		return 0, err
	}
	return first, f.Truncate(j.tail.size)
}

// loadPast finds the end of the past. What the tail has as well was moved by a Compact that did not come to its end.
func (j *Journal) loadPast(f *os.File, first int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	last, end, err := lastWhole(f, info.Size())
	if err != nil {
		return err
	}
	expected := first > 0 // it is a crash that we know
	if first > 0 && last >= first {
		expected = last <= j.last
		if end, err = seek(f, end, first); err != nil {
			return err
		}
		if last, end, err = lastWhole(f, end); err != nil {
			return err
		}
	}
	if end < info.Size() {
		if !expected || last != first-1 {
			if err := keepDamaged(f, end, info.Size(), j.path); err != nil {
				return err
			}
		}
		if err := f.Truncate(end); err != nil {
			return err
		}
	}
	j.past.size, j.moved = end, last
	if first == 0 {
		j.last = last
	}
	return nil
}

// Last is the number of the last whole event of a journal that is not open, found from its end. It is 0 when there is
// none or no journal.
func Last(path string) (int64, error) {
	for _, name := range []string{path, path + pastSuffix} {
		seq, err := lastOf(name)
		if err != nil {
			return 0, fmt.Errorf("read journal: %w", err)
		}
		if seq > 0 {
			return seq, nil
		}
	}
	return 0, nil
}

func lastOf(path string) (int64, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	seq, _, err := lastWhole(f, info.Size())
	return seq, err
}

// keepDamaged copies what is about to be cut away to path.damaged when it is more than one torn line: then it was
// not a crash in the middle of a write, and somebody may want to look.
func keepDamaged(f io.ReaderAt, from, to int64, path string) error {
	whole, err := bytesContain(io.NewSectionReader(f, from, to-from), '\n')
	if err != nil || !whole {
		return err
	}
	out, err := os.OpenFile(path+damagedSuffix, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("keep damaged events: %w", err)
	}
	_, err = io.Copy(out, io.NewSectionReader(f, from, to-from))
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("keep damaged events: %w", err)
	}
	return nil
}

func bytesContain(r io.Reader, c byte) (bool, error) {
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		if bytes.IndexByte(buf[:n], c) >= 0 {
			return true, nil
		}
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}
