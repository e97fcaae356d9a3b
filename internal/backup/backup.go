// Package backup takes a whole Carrel (accounts, sessions, people's files and
// journals, secrets) into one file while it runs, and makes a data folder of
// such a file again. It owns the file's form, the order in which the parts are
// read, and the checks before anything takes the place of what is there.
//
// The order is what makes a backup of a running Carrel consistent: the database
// first, as it is at one moment; then of each user whom it knows the journal,
// then the home. So what the database names is in a journal, and what a journal
// tells is in the home; each may have more, as after a power cut, and the
// server and the CLI take that up as they do then.
package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"
	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/backup/tree"
	"github.com/carrel-dev/carrel/internal/keeper"
)

const (
	storeName    = "store/carrel.db"
	settingsName = "settings/carrel.yaml"
	databaseFile = "carrel.db"
	settingsFile = "carrel.yaml"
)

// Options say what is backed up, and how.
type Options struct {
	Version           string
	DataDir, StateDir string
	ServerUID         int
	// CopyStore makes a copy of the database in the data folder, of this name, owned by the server; see the function of this name.
	CopyStore func(ctx context.Context, to string) ([]Account, error)
	// Keeper is asked for volumes that are not mounted, where one runs.
	Keeper *keeper.Client
	// Secrets takes the key and the settings too.
	Secrets bool
	// Recipients encrypts for them; none does not.
	Recipients []age.Recipient
	// Progress is told what is read; may be nil.
	Progress func(Progress)
	Now      time.Time
}

// Progress is how far a backup or a restore has come.
type Progress struct {
	What          string
	Entries       int64
	Bytes         int64
	Users, Before int // how many there are, and how many are done; 0 where it is not known yet
}

// Run writes a backup.
func Run(ctx context.Context, o Options, out io.Writer) (_ Manifest, err error) {
	w, err := newWriter(out, o.Recipients)
	if err != nil {
		return Manifest{}, err
	}
	b := &run{Options: o, w: w, m: Manifest{Head: Head{Format: format, Version: o.Version, CreatedAt: o.Now.UTC()}, Secrets: o.Secrets}}
	if err := b.all(ctx); err != nil {
		w.abandon()
		return Manifest{}, err
	}
	return b.m, w.close(&b.m)
}

type run struct {
	Options
	w    *writer
	m    Manifest
	told Progress
}

func (b *run) all(ctx context.Context) error {
	if err := b.w.text(headName, b.m.CreatedAt, b.m.Head); err != nil {
		return err
	}
	accounts, err := b.store(ctx)
	if err != nil {
		return err
	}
	b.told.Users = len(accounts)
	// After the database: the numbers of the meter's records then go on behind those that it knows.
	if err := b.folder(ctx, "gateway"); err != nil {
		return err
	}
	if b.Secrets {
		if err := b.folder(ctx, "secrets"); err != nil {
			return err
		}
		if err := b.settings(); err != nil {
			return err
		}
	}
	v := volumes{dataDir: b.DataDir, stateDir: b.StateDir, keeper: b.Keeper}
	for _, a := range accounts {
		u := User{ID: a.ID, Name: a.Name}
		b.tell(a.Name, 0)
		before := b.told.Entries
		err := v.with(ctx, a.ID, func(ctx context.Context, dir *os.File, image int64) error { return b.volume(ctx, dir, a, image) })
		switch {
		case err == nil:
			u.Volume = true
		case errors.Is(err, errNoVolume):
		case ctx.Err() == nil && b.told.Entries == before: // one broken volume must not keep the others from being saved
			u.Error = err.Error()
		default:
			return fmt.Errorf("volume of %s (user %d): %w", a.Name, a.ID, err)
		}
		b.m.Users = append(b.m.Users, u)
		b.told.Before++
	}
	return nil
}

func (b *run) tell(what string, bytes int64) {
	b.told.What = what
	b.told.Bytes += bytes
	if b.Progress != nil {
		b.Progress(b.told)
	}
}

// add writes an entry and tells of it.
func (b *run) add(h *tar.Header, body io.Reader) error {
	b.told.Entries++
	b.tell(b.told.What, h.Size)
	return b.w.add(h, body)
}

func (b *run) store(ctx context.Context) ([]Account, error) {
	b.tell("database", 0)
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails, says its documentation
	name := copyPrefix + hex.EncodeToString(random[:])
	path := filepath.Join(b.DataDir, name)
	defer func() { _ = os.Remove(path) }() // it is in the backup, or there is none
	accounts, err := b.CopyStore(ctx, name)
	if err != nil {
		return nil, err
	}
	// The server can write in the data folder: what is taken must be what it made there, and no link.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open the copy of the database: %w", err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, fmt.Errorf("look at the copy of the database: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != b.ServerUID || st.Nlink != 1 {
		return nil, errors.New("the copy of the database is not what the server's user made")
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: storeName, Mode: 0o600, Size: st.Size, ModTime: b.m.CreatedAt, Format: tar.FormatPAX}
	return accounts, b.add(h, f)
}

// copyPrefix names copies of the database while they are made.
const copyPrefix = "backup-of-carrel.db-"

// folder takes a folder of the gateway's. What is in it is the gateway's to
// change, so it is read as a person's is.
func (b *run) folder(ctx context.Context, name string) error {
	dir, err := openFolder(unix.AT_FDCWD, filepath.Join(b.DataDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	p := &tree.Packer{Owner: func(uint32) int { return 0 }, Add: func(h *tar.Header, body io.Reader) error {
		if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir || strings.HasSuffix(h.Name, ".lock") {
			_, err := io.Copy(io.Discard, body)
			return err
		}
		return b.add(h, body)
	}}
	err = p.Pack(ctx, dir, name)
	b.merge(p.Report().Skipped)
	return err
}

func (b *run) settings() error {
	data, err := os.ReadFile(filepath.Join(b.DataDir, settingsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: settingsName, Mode: 0o600, Size: int64(len(data)), ModTime: b.m.CreatedAt, Format: tar.FormatPAX}
	return b.add(h, bytes.NewReader(data))
}

func (b *run) volume(ctx context.Context, dir *os.File, a Account, image int64) error {
	p := &tree.Packer{Add: b.add}
	err := packVolume(ctx, dir, a, image, p)
	b.merge(p.Report().Skipped)
	return err
}

func (b *run) merge(n tree.Notes) {
	b.m.Skipped.Count += n.Count
	for _, t := range n.First {
		if len(b.m.Skipped.First) < 1000 {
			b.m.Skipped.First = append(b.m.Skipped.First, t)
		}
	}
}
