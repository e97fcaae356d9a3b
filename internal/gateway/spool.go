package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Record is what one request to the model took. Records are numbered from 1
// within a spool, without gaps.
type Record struct {
	Seq        int64     `json:"seq"`
	At         time.Time `json:"at"` // the end of the answer
	UserID     int64     `json:"user_id"`
	InstanceID string    `json:"instance_id"`
	SessionID  string    `json:"session_id"` // "" when the request named none
	Model      string    `json:"model"`
	Status     int       `json:"status"` // 499: the client left before there was one
	Tokens
	// Estimated: the answer was cut before the API reported its output.
	Estimated  bool  `json:"estimated,omitempty"`
	DurationMS int64 `json:"duration_ms"`
	Stream     bool  `json:"stream"`
}

// spool keeps records in a file until the server has them. The file begins with
// a line that names the spool and the number of the next record; each further
// line is a checksum and a record. A line is written by one write call, so that
// a killed gateway leaves at most one torn line, the last, which Open cuts off.
type spool struct {
	log *slog.Logger

	mu      sync.Mutex
	file    *os.File      // guarded by mu, as all below
	path    string        //
	id      string        // names this numbering; made with the file
	next    int64         // number of the next record
	size    int64         // bytes of whole lines
	broken  bool          // a write failed: write the file anew before the next
	records []Record      // those not acknowledged, in order
	arrived chan struct{} // closed and replaced when a record comes
}

const (
	spoolFile       = "meter.spool"
	spoolLock       = "meter.lock"
	compactAt       = 1 << 20 // bytes of a file that are worth writing anew
	maxSpoolLine    = 64 << 10
	maxRecordsAsked = 1000
)

// spoolHead is the first line. Next counts only where no record follows.
type spoolHead struct {
	Spool string `json:"spool"`
	Next  int64  `json:"next"`
}

// openSpool opens or makes the spool in dir and repairs its end. What cannot be
// read is set aside, not deleted.
func openSpool(dir string, log *slog.Logger) (*spool, error) {
	s := &spool{log: log, path: filepath.Join(dir, spoolFile), next: 1, arrived: make(chan struct{})}
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	s.file = f
	rest, err := s.load()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read spool: %w", err), f.Close())
	}
	if len(rest) > 0 {
		log.Warn("the meter's spool had a torn end, which was cut off", "bytes", len(rest), "kept", len(s.records))
		if bytes.Contains(rest, []byte("\n")) { // more than a torn line: somebody may want to look at it
			if err := os.WriteFile(s.path+".broken", rest, 0o600); err != nil {
				log.Error("keep the unreadable part of the spool", "error", err)
			}
		}
	}
	if s.id == "" {
		s.id = newSpoolID()
		s.broken = true // write the first line
	}
	if !s.broken {
		if err := f.Truncate(s.size); err != nil {
			return nil, errors.Join(fmt.Errorf("repair spool: %w", err), f.Close())
		}
		if _, err := f.Seek(s.size, io.SeekStart); err != nil {
			return nil, errors.Join(fmt.Errorf("repair spool: %w", err), f.Close())
		}
		return s, nil
	}
	if err := s.rewriteLocked(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

func newSpoolID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	return hex.EncodeToString(b[:])
}

// load reads whole lines, and gives what follows the last good one.
func (s *spool) load() (rest []byte, err error) {
	r := bufio.NewReaderSize(s.file, maxSpoolLine)
	for {
		line, err := r.ReadSlice('\n')
		if len(line) == 0 && errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err == nil && s.take(bytes.TrimSuffix(line, []byte("\n"))) {
			s.size += int64(len(line))
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		rest := bytes.Clone(line)
		more, err := io.ReadAll(io.LimitReader(r, 16<<20))
		return append(rest, more...), err
	}
}

// take takes one line over, and tells whether it was a good one.
func (s *spool) take(line []byte) bool {
	if s.id == "" {
		var h spoolHead
		if json.Unmarshal(line, &h) != nil || h.Spool == "" || h.Next < 1 {
			return false
		}
		s.id, s.next = h.Spool, h.Next
		return true
	}
	sum, text, ok := bytes.Cut(line, []byte(" "))
	if !ok || string(sum) != checksum(text) {
		return false
	}
	var r Record
	if json.Unmarshal(text, &r) != nil || (r.Seq != s.next && len(s.records) > 0) || r.Seq < 1 {
		return false
	}
	s.records = append(s.records, r)
	s.next = r.Seq + 1
	return true
}

func checksum(text []byte) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE(text)) }

func encodeRecord(r Record) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	return append([]byte(checksum(text)+" "), append(text, '\n')...), nil
}

// append numbers the record and writes it. A record that cannot be written
// (disk full) is kept in memory, delivered all the same, and written with the
// next one that can.
func (s *spool) append(r Record) Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Seq = s.next
	s.next++
	s.records = append(s.records, r)
	if err := s.writeLocked(r); err != nil {
		s.broken = true
		s.log.Error("write to the meter's spool; the record is in memory only", "error", err, "seq", r.Seq)
	}
	close(s.arrived)
	s.arrived = make(chan struct{})
	return r
}

func (s *spool) writeLocked(r Record) error {
	if s.broken {
		return s.rewriteLocked() // which writes r too
	}
	line, err := encodeRecord(r)
	if err != nil {
		return err
	}
	if _, err := s.file.Write(line); err != nil {
		return err
	}
	s.size += int64(len(line))
	return nil
}

// rewriteLocked writes what is still wanted into a new file and puts it in the
// place of the old one.
func (s *spool) rewriteLocked() error {
	head, err := json.Marshal(spoolHead{Spool: s.id, Next: s.next})
	if err != nil {
		return fmt.Errorf("encode spool: %w", err)
	}
	all := append(head, '\n')
	for _, r := range s.records {
		line, err := encodeRecord(r)
		if err != nil {
			return err
		}
		all = append(all, line...)
	}
	f, err := writeDurably(s.path, all)
	if err != nil {
		return fmt.Errorf("write spool: %w", err)
	}
	_ = s.file.Close() // the file it was is gone
	s.file, s.size, s.broken = f, int64(len(all)), false
	return nil
}

// writeDurably replaces a file by one with this content, and leaves it open at
// its end.
func writeDurably(path string, content []byte) (*os.File, error) {
	f, err := os.OpenFile(path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// read gives records after a number, waiting up to wait for one. They are on
// the disk before they are given: the server must never have seen a number that
// a power cut makes us use again.
func (s *spool) read(ctx context.Context, after int64, limit int, wait time.Duration) ([]Record, error) {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		out, arrived := s.afterLocked(after, limit), s.arrived
		var err error
		if len(out) > 0 && !s.broken {
			err = s.file.Sync()
		}
		s.mu.Unlock()
		if err != nil {
			return nil, fmt.Errorf("sync spool: %w", err)
		}
		if len(out) > 0 {
			return out, nil
		}
		select {
		case <-arrived:
		case <-timeout.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *spool) afterLocked(after int64, limit int) []Record {
	if len(s.records) == 0 {
		return nil
	}
	first := s.records[0].Seq
	from := min(max(after+1-first, 0), int64(len(s.records)))
	list := s.records[from:]
	return append([]Record(nil), list[:min(len(list), limit)]...)
}

// ack drops records up to a number.
func (s *spool) ack(seq int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.records) == 0 || seq < s.records[0].Seq {
		return nil
	}
	n := min(seq-s.records[0].Seq+1, int64(len(s.records)))
	s.records = append([]Record(nil), s.records[n:]...) // a copy, so that the old ones can go
	if s.size < compactAt {
		return nil // after a restart they are given again, and the server knows their numbers
	}
	return s.rewriteLocked()
}

// used sums a user's tokens in the records after a number.
func (s *spool) used(userID, after int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var sum int64
	for _, r := range s.records {
		if r.UserID == userID && r.Seq > after {
			sum += r.Total()
		}
	}
	return sum
}

func (s *spool) last() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next - 1
}

func (s *spool) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.broken {
		err = s.rewriteLocked()
	} else {
		err = s.file.Sync()
	}
	return errors.Join(err, s.file.Close())
}

// lockDir keeps a second gateway away from the same data.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, spoolLock), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another gateway uses the same data folder: %w", err), f.Close())
	}
	return f, nil
}
