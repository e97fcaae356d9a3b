// Package snapshotdir keeps snapshots of people's homes on this host, for every
// runtime: one file each, tar compressed by zstd, in a folder by user that root
// alone can enter. It works on any file system.
//
// The files are a person's, and may be hostile: a process of that person's uid
// reads and makes them, and whoever has root only moves its bytes.
package snapshotdir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/carrel-dev/carrel/internal/backup/tree"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/runtime"
)

// Dir is the folder of all snapshots.
type Dir struct {
	path string

	mu   sync.Mutex
	busy map[int64]bool // guarded by mu: users of whom one is being taken or restored
}

// At is <data>/snapshots.
func At(dataDir string) *Dir {
	return &Dir{path: filepath.Join(dataDir, "snapshots"), busy: map[int64]bool{}}
}

const (
	ending     = ".tar.zst"
	making     = ".making"
	timeLayout = "20060102T150405Z"
)

// An id tells the time, to the nanosecond: they sort by it, and two of one user
// are never taken at once.
var (
	idPattern   = regexp.MustCompile(`^s-([0-9]{8}T[0-9]{6}Z)-([0-9a-f]{8})$`)
	kindPattern = regexp.MustCompile(`^[a-z_]{1,20}$`)
)

func notThere() error { return fault.New(fault.NotFound, "There is no such snapshot.") }

// user is the folder of one user's.
func (d *Dir) user(id int64) string {
	return filepath.Join(d.path, "user-"+strconv.FormatInt(id, 10))
}

// claim makes this call the only one that takes or restores the user's.
func (d *Dir) claim(userID int64) (release func(), err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy[userID] {
		return nil, fault.New(fault.Conflict, "A snapshot is being taken or restored right now. Try again in a moment.")
	}
	d.busy[userID] = true
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.busy, userID)
	}, nil
}

// List gives a user's snapshots, the newest first.
func (d *Dir) List(userID int64) ([]runtime.Snapshot, error) {
	entries, err := os.ReadDir(d.user(userID))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	var all []runtime.Snapshot
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ending)
		id, kind, ok2 := strings.Cut(name, ".")
		m := idPattern.FindStringSubmatch(id)
		if !ok || !ok2 || m == nil {
			continue
		}
		at, err := time.Parse(timeLayout, m[1])
		nanoseconds, err2 := strconv.ParseInt(m[2], 16, 64)
		if err != nil || err2 != nil {
			continue
		}
		at = at.Add(time.Duration(nanoseconds))
		fi, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted since
		}
		if err != nil {
			return nil, fmt.Errorf("list snapshots: %w", err)
		}
		all = append(all, runtime.Snapshot{ID: id, Kind: kind, CreatedAt: at, Bytes: fi.Size()})
	}
	slices.SortFunc(all, func(a, b runtime.Snapshot) int { return strings.Compare(b.ID, a.ID) })
	return all, nil
}

func (d *Dir) file(userID int64, s runtime.Snapshot) string {
	return filepath.Join(d.user(userID), s.ID+"."+s.Kind+ending)
}

func (d *Dir) find(userID int64, id string) (runtime.Snapshot, error) {
	all, err := d.List(userID)
	if err != nil {
		return runtime.Snapshot{}, err
	}
	for _, s := range all {
		if s.ID == id {
			return s, nil
		}
	}
	return runtime.Snapshot{}, notThere()
}

// Delete removes one.
func (d *Dir) Delete(userID int64, id string) error {
	s, err := d.find(userID, id)
	if err != nil {
		return err
	}
	err = os.Remove(d.file(userID, s))
	if errors.Is(err, fs.ErrNotExist) {
		return notThere()
	}
	return err
}

// Erase removes all of a user's.
func (d *Dir) Erase(userID int64) error { return os.RemoveAll(d.user(userID)) }

// Take takes a snapshot of a home, by a process of the person's.
func (d *Dir) Take(ctx context.Context, userID int64, home *os.File, person *syscall.Credential, kind string, keep runtime.Keep) (_ runtime.Snapshot, err error) {
	if keep.Count < 1 || keep.Count > 1001 || keep.Bytes < 1 || !kindPattern.MatchString(kind) {
		return runtime.Snapshot{}, fault.InvalidField("keep", "A bound of snapshots is out of range.")
	}
	release, err := d.claim(userID)
	if err != nil {
		return runtime.Snapshot{}, err
	}
	defer release()
	if err := os.Mkdir(d.user(userID), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return runtime.Snapshot{}, fmt.Errorf("make folder of snapshots: %w", err)
	}
	at := time.Now().UTC().Round(0)
	s := runtime.Snapshot{ID: fmt.Sprintf("s-%s-%08x", at.Format(timeLayout), at.Nanosecond()), Kind: kind, CreatedAt: at}
	report, err := d.write(ctx, userID, home, person, &s, keep.Bytes)
	if err != nil {
		return runtime.Snapshot{}, err
	}
	if lost := report.Lost; lost.Count > 0 {
		s.Skipped, s.SkippedFirst = lost.Count, lost.First[0]
	}
	return s, d.thin(userID, s.ID, keep)
}

// write makes the file under another name until it is whole.
func (d *Dir) write(ctx context.Context, userID int64, home *os.File, person *syscall.Credential, s *runtime.Snapshot, limit int64) (report tree.Report, err error) {
	part := filepath.Join(d.user(userID), making) // one that a crash left is overwritten
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return report, fmt.Errorf("make snapshot: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(part) // else it is overwritten by the next
		}
	}()
	out := &limited{f: f, left: limit}
	said, err := work(ctx, "snapshot-pack", home, person, nil, out)
	if out.left < 0 {
		err = fault.Wrap(err, fault.QuotaExceeded, "A snapshot of this home would be larger than all snapshots of one person may be together.")
	} else if err == nil {
		err = errors.Join(json.Unmarshal(said, &report), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return report, fmt.Errorf("take snapshot: %w", err)
	}
	if err := os.Rename(part, d.file(userID, *s)); err != nil {
		return report, fmt.Errorf("take snapshot: %w", err)
	}
	s.Bytes = limit - out.left
	return report, nil
}

// thin removes the oldest beyond the bounds, never the one that was just taken.
func (d *Dir) thin(userID int64, newest string, keep runtime.Keep) error {
	all, err := d.List(userID)
	if err != nil {
		return err
	}
	count, bytes := 0, int64(0)
	stays := func(s runtime.Snapshot) bool { return s.ID == newest || s.ID == keep.Spare }
	for _, s := range all {
		if stays(s) {
			count++
			bytes += s.Bytes
		}
	}
	for _, s := range all {
		if stays(s) {
			continue
		}
		if count++; count <= keep.Count && bytes+s.Bytes <= keep.Bytes {
			bytes += s.Bytes
			continue
		}
		if err := os.Remove(d.file(userID, s)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove an old snapshot: %w", err)
		}
	}
	return nil
}

type limited struct {
	f    *os.File
	left int64
}

func (l *limited) Write(b []byte) (int, error) {
	if l.left -= int64(len(b)); l.left < 0 {
		return 0, errors.New("too large")
	}
	return l.f.Write(b)
}
