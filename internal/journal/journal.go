// Package journal keeps the events of one session on disk: numbered from 1
// without a gap, appended and never rewritten, one JSON line each,
//
//	{"seq":1,"at":"2026-11-24T15:04:05.000000Z","event":{…}}
//
// One process writes (the file is locked), any number of readers follow at
// their own pace. A reader reads the file, so nobody is ever dropped and no
// event waits in memory for anybody. It imports nothing of ours and knows
// nothing of what an event says.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

var (
	// ErrClosed is what every call gets once the journal is closed.
	ErrClosed = errors.New("journal is closed")
	// ErrLocked means that another journal, perhaps of another process, has the file.
	ErrLocked = errors.New("journal is in use")
	// ErrAhead means that a reader asked for what comes after an event that does not exist.
	ErrAhead = errors.New("no such event yet")
	// ErrNotEvent means that what was to be appended is not one JSON object on one line, of MaxEventBytes at most.
	ErrNotEvent = errors.New("not a JSON object on one line")
)

// MaxEventBytes bounds one event.
const MaxEventBytes = 32 << 20

// Event is one event. Data is valid until the next call that gives one.
type Event struct {
	Seq  int64
	At   time.Time
	Data []byte
}

// file is what we need of a file. Unlock lets another journal have it; closing alone would not, while a process that
// was just forked still holds a copy of the descriptor.
type file interface {
	Unlock() error
	ReadAt(p []byte, off int64) (int, error)
	WriteAt(p []byte, off int64) (int, error)
	Truncate(size int64) error
	Sync() error
	Close() error
}

type lockedFile struct{ *os.File }

func (f lockedFile) Lock() error   { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
func (f lockedFile) Unlock() error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }

// keepBuffer is the capacity up to which a buffer is kept for the next event.
const keepBuffer = 256 << 10

// Journal is an open journal.
type Journal struct {
	file file

	mu      sync.Mutex
	size    int64         // of all whole events, in bytes
	last    int64         // number of the last event
	torn    bool          // there may be bytes behind size that do not count
	closed  bool          //
	changed chan struct{} // closed at the next change; nil while nobody waits
	index   index
	buf     []byte
}

// Open opens a journal, making it if need be. What a crash left torn at its end is cut away. Every event that is
// there is given to each, if it is not nil.
func Open(path string, each func(Event)) (*Journal, error) {
	opened, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	f := lockedFile{opened}
	if err := f.Lock(); err != nil {
		_ = f.Close() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("open journal: %w", ErrLocked)
		}
		return nil, fmt.Errorf("lock journal: %w", err)
	}
	j := &Journal{file: f}
	if err := j.load(opened, path, each); err != nil {
		_ = errors.Join(f.Unlock(), f.Close()) // the first error tells
		return nil, fmt.Errorf("open journal: %w", err)
	}
	return j, nil
}

// load reads all events and cuts what is not one.
func (j *Journal) load(f *os.File, path string, each func(Event)) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	s := newScanner(f, 0, info.Size())
	for {
		line, err := s.next()
		if err != nil && !errors.Is(err, errLongLine) {
			return err
		}
		e, ok := parse(line)
		if !ok || e.Seq != j.last+1 || bytes.IndexByte(line, 0) >= 0 {
			break
		}
		j.last = e.Seq
		j.index.add(e.Seq, j.size)
		j.size += int64(len(line))
		if each != nil {
			each(e)
		}
	}
	if j.size == info.Size() {
		return nil
	}
	if err := keepDamaged(f, j.size, info.Size(), path); err != nil {
		return err
	}
	return f.Truncate(j.size)
}

// Append writes an event, a JSON object on one line, and returns its number. Readers see it at once; it is safe from
// a crash of this process, and from a crash of the machine after Sync. A failed Append, say on a full disk, has
// changed nothing.
func (j *Journal) Append(data []byte) (int64, error) { return j.AppendAt(time.Now(), data) }

// AppendAt is Append for an event of another time: one that is copied.
func (j *Journal) AppendAt(at time.Time, data []byte) (int64, error) {
	if len(data) == 0 || len(data) > MaxEventBytes || data[0] != '{' || bytes.IndexByte(data, '\n') >= 0 || !json.Valid(data) {
		return 0, ErrNotEvent
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return 0, ErrClosed
	}
	if j.torn {
		if err := j.file.Truncate(j.size); err != nil {
			return 0, fmt.Errorf("cut a torn event: %w", err)
		}
		j.torn = false
	}
	seq := j.last + 1
	j.buf = format(j.buf[:0], Event{Seq: seq, At: at, Data: data})
	n := len(j.buf)
	if _, err := j.file.WriteAt(j.buf, j.size); err != nil {
		j.torn = j.file.Truncate(j.size) != nil // else it is tried again by the next Append
		return 0, fmt.Errorf("append event: %w", err)
	}
	if cap(j.buf) > keepBuffer {
		j.buf = nil
	}
	j.index.add(seq, j.size)
	j.last = seq
	j.size += int64(n)
	j.wakeLocked()
	return seq, nil
}

// Sync returns when every event that was appended before is safe from a crash of the machine. Others may append
// meanwhile.
func (j *Journal) Sync() error {
	j.mu.Lock()
	closed := j.closed
	j.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("sync journal: %w", err)
	}
	return nil
}

// Last is the number of the last event, 0 when there is none.
func (j *Journal) Last() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// Close ends the waiting of all readers and closes the file. It may be called twice.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	j.wakeLocked()
	if j.torn {
		_ = j.file.Truncate(j.size) // the next Open cuts it as well
	}
	return errors.Join(j.file.Unlock(), j.file.Close())
}

func (j *Journal) wakeLocked() {
	if j.changed != nil {
		close(j.changed)
		j.changed = nil
	}
}

// look returns how far readers may read. When that is not beyond seen, wait is closed at the next change.
func (j *Journal) look(seen int64) (size int64, wait <-chan struct{}, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.closed:
		return 0, nil, ErrClosed
	case j.size > seen:
		return j.size, nil, nil
	}
	if j.changed == nil {
		j.changed = make(chan struct{})
	}
	return j.size, j.changed, nil
}
