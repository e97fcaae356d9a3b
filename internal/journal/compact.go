package journal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// catchUps is how often Compact syncs what was appended meanwhile before it makes Append wait for that.
const catchUps = 8

// Compact moves every event up to a number into the past, without those that drop says may go; the last of them
// always stays, so that numbers go on where they were. It may run while others append and read: an Append waits for a
// rename, and no reader is given an event twice or misses one that stays. It takes constant memory, and until it is
// done the disk space of what it moves. When it fails, say on a full disk, nothing has changed.
func (j *Journal) Compact(ctx context.Context, until int64, drop func(seq int64) bool) error {
	j.moves.Lock()
	defer j.moves.Unlock()
	if err := j.compact(ctx, until, drop); err != nil {
		return fmt.Errorf("compact journal: %w", err)
	}
	return nil
}

func (j *Journal) compact(ctx context.Context, until int64, drop func(seq int64) bool) error {
	// What the tail has must be safe before the past has more of it: Open takes the tail's word.
	if err := j.Sync(); err != nil {
		return err
	}
	j.mu.Lock()
	tail, moved, last := j.tail, j.moved, j.last
	j.mu.Unlock()
	switch {
	case until <= moved:
		return nil
	case until > last:
		return ErrAhead
	}
	end, err := seek(tail, tail.size, until+1)
	if err != nil {
		return err
	}
	grown, err := j.extend(ctx, tail, end, until, drop)
	if err == nil {
		err = j.replace(ctx, end, grown, until)
	}
	if err != nil {
		j.mu.Lock()
		past := j.past
		j.mu.Unlock()
		if past.file != nil {
			_ = past.Truncate(past.size) // what is left behind it is written over by the next, or cut by Open
		}
		return err
	}
	return j.Sync()
}

// extend writes the tail's events up to an offset behind the past, and gives its new size.
func (j *Journal) extend(ctx context.Context, tail part, end, until int64, drop func(int64) bool) (grown int64, err error) {
	past := j.past // nobody else writes it
	if past.file == nil {
		f, err := j.disk.Create(j.path+pastSuffix, false)
		if err != nil {
			return 0, err
		}
		past.file = f
		j.mu.Lock()
		j.past = past
		j.mu.Unlock()
	}
	if err := past.Truncate(past.size); err != nil {
		return 0, err
	}
	at := &writerAt{file: past, off: past.size}
	out := bufio.NewWriterSize(at, readBytes)
	for s := newScanner(tail, 0, end); ; {
		line, err := s.next()
		if err != nil {
			return 0, err
		}
		if line == nil {
			break
		}
		if err := j.goesOn(ctx); err != nil {
			return 0, err
		}
		seq, _, ok := parseSeq(line)
		if ok && seq < until && drop(seq) {
			continue
		}
		if _, err := out.Write(line); err != nil {
			return 0, err
		}
	}
	if err := out.Flush(); err != nil {
		return 0, err
	}
	if err := past.Sync(); err != nil {
		return 0, err
	}
	return at.off, j.disk.SyncDir(j.path)
}

// replace gives the tail a new file that begins at an offset of the old one.
func (j *Journal) replace(ctx context.Context, from, grown, until int64) (err error) {
	next := j.path + newSuffix
	fresh, err := j.disk.Create(next, true)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = errors.Join(fresh.Close(), os.Remove(next)) // Open removes it as well
		}
	}()
	if err := fresh.Lock(); err != nil {
		return err
	}
	to := &writerAt{file: fresh}
	for try := 0; ; try++ {
		j.mu.Lock()
		tail := j.tail
		if from+to.off == tail.size || try == catchUps {
			break // with the lock
		}
		j.mu.Unlock()
		if err := j.copySynced(ctx, to, tail, from); err != nil {
			return err
		}
	}
	defer j.mu.Unlock()
	if from+to.off < j.tail.size {
		if err := j.copySynced(ctx, to, j.tail, from); err != nil {
			return err
		}
	}
	if j.closed {
		return ErrClosed
	}
	if err := j.disk.Rename(next, j.path); err != nil {
		return err
	}
	old := j.tail
	j.tail, j.torn = part{file: fresh, size: to.off}, false
	j.past.size, j.moved = grown, until
	j.era++
	j.unnamed = true
	j.wakeLocked()
	_ = errors.Join(old.Unlock(), old.Close()) // it has no name any more
	return nil
}

// copySynced brings what was appended since to the new tail, and to disk.
func (j *Journal) copySynced(ctx context.Context, to *writerAt, tail part, from int64) error {
	left := io.NewSectionReader(tail, from+to.off, tail.size-from-to.off)
	for {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		_, err := io.CopyN(to, left, 1<<20)
		if errors.Is(err, io.EOF) {
			return to.file.Sync()
		}
		if err != nil {
			return err
		}
	}
}

// goesOn says whether Compact is still wanted.
func (j *Journal) goesOn(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return ErrClosed
	}
	return nil
}

// writerAt writes to a file from an offset on.
type writerAt struct {
	file file
	off  int64
}

func (w *writerAt) Write(b []byte) (int, error) {
	n, err := w.file.WriteAt(b, w.off)
	w.off += int64(n)
	return n, err
}
