// Package journal keeps the events of one session on disk: numbered from 1,
// appended and never rewritten, one JSON line each,
//
//	{"seq":1,"at":"2026-11-24T15:04:05.000000Z","event":{…}}
//
// They lie in two files. Appends go to the tail, `path`. Compact moves the
// beginning of the tail, without the events that its caller drops, to the end
// of the past, `path.past`, and gives the tail a new file with what is left.
// An event that stays keeps every byte, its number and its time. Until the new
// tail has taken the old one's name the old one has all that was moved, and
// Open cuts it off the past again: so a crash at any instant leaves the one or
// the other. Who copies the two while they are in use copies the tail first.
//
// One process writes (the tail is locked), any number of readers follow at
// their own pace. A reader reads the files, so nobody is ever dropped and no
// event waits in memory for anybody. The package imports nothing of ours and
// knows nothing of what an event says.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"
)

var (
	// ErrClosed is what every call gets once the journal is closed.
	ErrClosed = errors.New("journal is closed")
	// ErrLocked means that another journal, perhaps of another process, has the file.
	ErrLocked = errors.New("journal is in use")
	// ErrAhead means that a reader asked for what comes after an event that does not exist.
	ErrAhead = errors.New("no such event yet")
	// ErrNotEvent means that what was to be appended is not one JSON object on one line, with nothing around it, of
	// MaxEventBytes at most.
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

// keepBuffer is the capacity up to which a buffer is kept for the next event.
const keepBuffer = 256 << 10

// Journal is an open journal.
type Journal struct {
	path  string
	disk  disk
	moves sync.Mutex // held by the one Compact that runs, and by Close; taken before mu

	mu      sync.Mutex
	tail    part
	past    part          // no file before the first Compact; written by the holder of moves
	moved   int64         // number of the last event of past; those of tail are greater
	era     int           // rises when tail gets another file
	last    int64         // number of the last event
	torn    bool          // there may be bytes behind tail.size that do not count
	unnamed bool          // the tail's name may not be on disk yet
	closed  bool          //
	changed chan struct{} // closed at the next change; nil while nobody waits
	buf     []byte
}

// part is a file as far as it has whole events.
type part struct {
	file
	size int64
}

// Append writes an event, a JSON object on one line, and returns its number. Readers see it at once; it is safe from
// a crash of this process, and from a crash of the machine after Sync. A failed Append, say on a full disk, has
// changed nothing.
func (j *Journal) Append(data []byte) (int64, error) { return j.AppendAt(time.Now(), data) }

// AppendAt is Append for an event of another time: one that is copied.
func (j *Journal) AppendAt(at time.Time, data []byte) (int64, error) {
	if len(data) < 2 || len(data) > MaxEventBytes || data[0] != '{' || data[len(data)-1] != '}' || bytes.IndexByte(data, '\n') >= 0 || !json.Valid(data) {
		return 0, ErrNotEvent
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.appendLocked(Event{Seq: j.last + 1, At: at, Data: data})
}

// Skip leaves out so many numbers, with an event that says so, and returns when that is safe from a crash of the
// machine. It is for a journal whose end a machine may have lost after somebody had read it: what was read and is
// gone must not have its numbers given to other events.
func (j *Journal) Skip(numbers int64) error {
	j.mu.Lock()
	_, err := j.appendLocked(Event{Seq: j.last + 1 + numbers, At: time.Now(), Data: gap})
	j.mu.Unlock()
	if err != nil {
		return err
	}
	return j.Sync()
}

func (j *Journal) appendLocked(e Event) (int64, error) {
	if j.closed {
		return 0, ErrClosed
	}
	if j.torn {
		if err := j.tail.Truncate(j.tail.size); err != nil {
			return 0, fmt.Errorf("cut a torn event: %w", err)
		}
		j.torn = false
	}
	j.buf = format(j.buf[:0], e)
	n := len(j.buf)
	if _, err := j.tail.WriteAt(j.buf, j.tail.size); err != nil {
		j.torn = j.tail.Truncate(j.tail.size) != nil // else it is tried again by the next Append
		return 0, fmt.Errorf("append event: %w", err)
	}
	if cap(j.buf) > keepBuffer {
		j.buf = nil
	}
	j.last = e.Seq
	j.tail.size += int64(n)
	j.wakeLocked()
	return e.Seq, nil
}

// Sync returns when every event that was appended before is safe from a crash of the machine. Others may append
// meanwhile.
func (j *Journal) Sync() error {
	for {
		j.mu.Lock()
		closed, tail, era, unnamed := j.closed, j.tail, j.era, j.unnamed
		j.mu.Unlock()
		if closed {
			return ErrClosed
		}
		err := tail.Sync()
		if err == nil && unnamed {
			err = j.disk.SyncDir(j.path)
		}
		j.mu.Lock()
		same := j.era == era
		if err == nil && same {
			j.unnamed = false
		}
		j.mu.Unlock()
		switch {
		case err == nil && same:
			return nil
		case !same:
			// Compact gave the tail another file. What was moved is safe, and the name may be not.
		case errors.Is(err, fs.ErrClosed):
			return ErrClosed
		default:
			return fmt.Errorf("sync journal: %w", err)
		}
	}
}

// Last is the number of the last event, 0 when there is none.
func (j *Journal) Last() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// Moved is the number of the last event that Compact has dealt with, and how many bytes it has not.
func (j *Journal) Moved() (seq, rest int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.moved, j.tail.size
}

// Close ends the waiting of all readers and a Compact, and closes the files. It may be called twice.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return nil
	}
	j.closed = true
	j.wakeLocked()
	j.mu.Unlock()
	j.moves.Lock() // Compact gives up when it sees that
	defer j.moves.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.torn {
		_ = j.tail.Truncate(j.tail.size) // the next Open cuts it as well
	}
	err := errors.Join(j.tail.Unlock(), j.tail.Close())
	if j.past.file != nil {
		err = errors.Join(err, j.past.Close())
	}
	return err
}

func (j *Journal) wakeLocked() {
	if j.changed != nil {
		close(j.changed)
		j.changed = nil
	}
}
