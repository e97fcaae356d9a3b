package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// Reader gives the events after a number in order, each once, also while the journal is compacted. It is for one
// goroutine, holds one buffer and needs no closing.
type Reader struct {
	journal *Journal
	next    int64 // number of the least event to give next
	scan    scanner
	inPast  bool
	era     int // of the tail that scan reads
}

// Read returns a reader of the events after a number, whether that one is still there or not.
func (j *Journal) Read(after int64) (*Reader, error) {
	j.mu.Lock()
	closed, ahead := j.closed, after < 0 || after > j.last
	j.mu.Unlock()
	switch {
	case closed:
		return nil, ErrClosed
	case ahead:
		return nil, ErrAhead
	}
	r := &Reader{journal: j, next: after + 1}
	if err := r.find(); err != nil {
		return nil, err
	}
	return r, nil
}

// find goes to where the next event is or will be.
func (r *Reader) find() error {
	return r.journal.look(func(v view) error {
		from := v.tail
		r.inPast, r.era = r.next <= v.moved, v.era
		if r.inPast {
			from = v.past
		}
		off, err := seek(from, from.size, r.next)
		if err != nil {
			return err
		}
		r.scan.reset(from, off, from.size)
		return nil
	})
}

// Next returns the next event, and waits for it if it is still to come.
func (r *Reader) Next(ctx context.Context) (Event, error) {
	for {
		line, err := r.scan.next()
		if err == nil && line == nil {
			err = r.goOn(ctx)
			if err == nil {
				continue
			}
			return Event{}, err
		}
		if errors.Is(err, fs.ErrClosed) {
			// The journal was closed, or its tail has another file.
			if err := r.find(); err != nil {
				return Event{}, err
			}
			continue
		}
		if err != nil {
			return Event{}, fmt.Errorf("read journal: %w", err)
		}
		if seq, _, ok := parseSeq(line); ok && seq < r.next {
			continue
		}
		e, ok := parse(line)
		switch {
		case !ok && r.inPast:
			continue // the disk has lost it; whoever reads on gets the rest
		case !ok:
			return Event{}, fmt.Errorf("read journal: event %d is damaged", r.next)
		}
		r.next = e.Seq + 1
		return e, nil
	}
}

// goOn looks for more behind what was read, and waits for it.
func (r *Reader) goOn(ctx context.Context) error {
	j := r.journal
	j.mu.Lock()
	switch {
	case j.closed:
		j.mu.Unlock()
		return ErrClosed
	case r.inPast || r.era != j.era:
		j.mu.Unlock()
		return r.find()
	case j.tail.size > r.scan.limit:
		r.scan.limit = j.tail.size
		j.mu.Unlock()
		return nil
	}
	if j.changed == nil {
		j.changed = make(chan struct{})
	}
	changed := j.changed
	j.mu.Unlock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Page finds the last events before a number, or of all when that is 0: at most so many, and not more bytes than
// that but for one event. They are those between after and before. Its cost is that of what it finds.
func (j *Journal) Page(before int64, limit int, maxBytes int64) (after int64, err error) {
	err = j.look(func(v view) error {
		if before <= 0 || before > v.last {
			before = v.last + 1
		}
		begin, n, left := v.tail, 0, maxBytes
		var off int64
		if before > v.moved+1 {
			end, err := seek(v.tail, v.tail.size, before)
			if err != nil {
				return err
			}
			if off, n, err = back(v.tail, end, limit, maxBytes, 1); err != nil {
				return err
			}
			left -= end - off
		}
		if off == 0 && n < limit && v.past.size > 0 {
			end, err := seek(v.past, v.past.size, before)
			if err != nil {
				return err
			}
			first := 1 - min(n, 1)
			pastOff, m, err := back(v.past, end, limit-n, left, first)
			if err != nil {
				return err
			}
			if m > 0 {
				begin, off, n = v.past, pastOff, n+m
			}
		}
		after = before - 1
		if n == 0 {
			return nil
		}
		seq, at, err := numberFrom(begin, off, begin.size, make([]byte, probeBytes))
		if at >= 0 {
			after = seq - 1
		}
		return err
	})
	return after, err
}

// view is both files at one moment.
type view struct {
	past, tail  part
	moved, last int64
	era         int
}

// look lets f look at both files, and again if the tail got another file under its hands.
func (j *Journal) look(f func(view) error) error {
	for {
		j.mu.Lock()
		closed, v := j.closed, view{past: j.past, tail: j.tail, moved: j.moved, last: j.last, era: j.era}
		j.mu.Unlock()
		if closed {
			return ErrClosed
		}
		switch err := f(v); {
		case err == nil:
			return nil
		case !errors.Is(err, fs.ErrClosed):
			return fmt.Errorf("read journal: %w", err)
		}
	}
}
