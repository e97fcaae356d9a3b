package backup

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"
	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/backup/tree"
	"github.com/carrel-dev/carrel/internal/fault"
)

// RestoreOptions say where a backup goes.
type RestoreOptions struct {
	DataDir string // absolute; empty or missing, or see Force
	// Force puts the restored folder in the place of one that is not empty, which is kept beside it.
	Force      bool
	Identities []age.Identity
	// House gives the owners and the runtime, once the settings of the backup are at the given path; "" where it has none.
	House    func(settings string) (House, error)
	Progress func(Progress)
	Now      time.Time
}

// House is whom the restored folder is for.
type House struct {
	Runtime    string // "oci": volumes are images; "bare": folders
	UIDBase    int64
	ServerUID  int
	GatewayUID int
	Root       bool // owners can be given; else all is of who restores
}

// Restored says what was done.
type Restored struct {
	Manifest
	Skipped tree.Notes // files that could not be made, of all volumes
	Kept    string     // where the folder is that was there before; "" when there was none
}

// Verify reads a backup to its end and checks every sum.
func Verify(ctx context.Context, in io.Reader, identities []age.Identity) (Manifest, error) {
	return read(ctx, in, identities, func(*tar.Header, io.Reader) error { return nil })
}

// Restore makes a data folder of a backup. It makes it beside the place where
// it is to be, and moves it there when all of it was made and every sum is
// right; an error has changed nothing.
func Restore(ctx context.Context, o RestoreOptions, in io.Reader) (_ Restored, err error) {
	if err := o.ready(); err != nil {
		return Restored{}, err
	}
	making, err := os.MkdirTemp(filepath.Dir(o.DataDir), ".carrel-restore-")
	if err != nil {
		return Restored{}, fmt.Errorf("make folder: %w", err)
	}
	r := &restore{RestoreOptions: o, dir: making}
	defer func() {
		if e := r.close(); err == nil && e != nil {
			err = e
		}
		if r.root != nil {
			_ = r.root.Close() // only names are read through it
		}
		if err != nil { // what is left of it bears a name that says so
			err = errors.Join(err, r.endVolume(), os.RemoveAll(making))
		}
	}()
	if r.root, err = os.OpenRoot(making); err != nil {
		return Restored{}, fmt.Errorf("make folder: %w", err)
	}
	if err := r.root.Mkdir("volumes", 0o711); err != nil {
		return Restored{}, fmt.Errorf("make folder: %w", err)
	}
	m, err := read(ctx, in, o.Identities, func(h *tar.Header, body io.Reader) error { return r.entry(ctx, h, body) })
	if err == nil {
		err = errors.Join(r.endVolume(), r.close())
	}
	if err == nil && !r.stored {
		err = damaged("it holds no database")
	}
	if err != nil {
		return Restored{}, err
	}
	kept, err := r.moveIn()
	return Restored{Manifest: m, Skipped: r.skipped, Kept: kept}, err
}

// ready refuses a place that cannot be taken, before anything is read.
func (o RestoreOptions) ready() error {
	entries, err := os.ReadDir(o.DataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", o.DataDir, err)
	}
	if len(entries) > 0 && !o.Force {
		return fault.New(fault.Conflict, "%s is not empty. Restore into another folder, or with --force, which keeps this one beside it.", o.DataDir)
	}
	var dir, parent unix.Stat_t
	if err := errors.Join(unix.Stat(o.DataDir, &dir), unix.Stat(filepath.Dir(o.DataDir), &parent)); err != nil {
		return fmt.Errorf("look at %s: %w", o.DataDir, err)
	}
	if dir.Dev != parent.Dev {
		return fault.New(fault.Conflict, "%s is a mount point, and cannot be replaced as a whole. Restore into a folder in it, and set data_dir to that.", o.DataDir)
	}
	return nil
}

type restore struct {
	RestoreOptions
	dir  string
	root *os.Root

	house   *House
	stored  bool
	own     *tree.Unpacker // of the gateway's folders
	volume  *openVolume
	skipped tree.Notes
	told    Progress
}

// openVolume is the user's volume that is being filled.
type openVolume struct {
	id    string
	tree  *tree.Unpacker
	root  *os.Root
	close func() error
}

// settle fixes owners and runtime, at the first entry that needs them: the
// settings come before.
func (r *restore) settle() (House, error) {
	if r.house != nil {
		return *r.house, nil
	}
	settings := filepath.Join(r.dir, settingsFile)
	if _, err := os.Lstat(settings); err != nil {
		settings = ""
	}
	h, err := r.House(settings)
	if err != nil {
		return h, err
	}
	r.house = &h
	return h, nil
}

func (r *restore) entry(ctx context.Context, h *tar.Header, body io.Reader) error {
	r.told.Entries++
	r.told.Bytes += h.Size
	if r.Progress != nil {
		r.told.What = partOf(h.Name)
		r.Progress(r.told)
	}
	part, rest, _ := strings.Cut(h.Name, "/")
	switch {
	case h.Name == storeName && h.Typeflag == tar.TypeReg:
		r.stored = true
		return r.file(databaseFile, body)
	case h.Name == settingsName && h.Typeflag == tar.TypeReg:
		return r.file(settingsFile, body)
	case part == "gateway" || part == "secrets":
		if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir {
			return damaged("%q is neither a file nor a folder", h.Name)
		}
		if r.own == nil {
			r.own = &tree.Unpacker{Root: r.root}
		}
		return r.own.Add(h, body)
	case part == "volumes":
		id, rest, _ := strings.Cut(rest, "/")
		return r.inVolume(ctx, id, rest, h, body)
	}
	return damaged("%q is nothing that this carrel knows", h.Name)
}

func (r *restore) file(name string, body io.Reader) error {
	f, err := r.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make %s: %w", name, err)
	}
	if _, err := io.Copy(f, body); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), f.Close())
	}
	return f.Close()
}

func (r *restore) inVolume(ctx context.Context, id, name string, h *tar.Header, body io.Reader) error {
	if r.volume == nil || r.volume.id != id {
		if err := r.endVolume(); err != nil {
			return err
		}
		return r.beginVolume(ctx, id, name, h)
	}
	if first, _, _ := strings.Cut(name, "/"); first != folders[0] && first != folders[1] {
		return damaged("%q is not a folder of a volume", h.Name)
	}
	h.Name = name
	if h.Typeflag == tar.TypeLink {
		link, ok := strings.CutPrefix(h.Linkname, "volumes/"+id+"/")
		if !ok {
			return fmt.Errorf("%w: %q", tree.ErrName, h.Linkname)
		}
		h.Linkname = link
	}
	return r.volume.tree.Add(h, body)
}

func (r *restore) beginVolume(ctx context.Context, id, name string, h *tar.Header) error {
	user, err := strconv.ParseInt(id, 10, 64)
	if err != nil || user <= 0 || strconv.FormatInt(user, 10) != id {
		return damaged("%q is not the number of a user", id)
	}
	size, e1 := strconv.ParseInt(h.PAXRecords[recordBytes], 10, 64)
	inodes, e2 := strconv.ParseInt(h.PAXRecords[recordInodes], 10, 64)
	if name != "" || h.Typeflag != tar.TypeDir || e1 != nil || e2 != nil {
		return damaged("the volume of user %d does not begin with its limits", user)
	}
	house, err := r.settle()
	if err != nil {
		return err
	}
	v := &openVolume{id: id}
	dir, err := v.make(ctx, house, r.dir, user, size, inodes)
	r.volume = v
	if err != nil {
		return fmt.Errorf("make the volume of user %d: %w", user, err)
	}
	if v.root, err = os.OpenRoot(dir); err != nil {
		return fmt.Errorf("open the volume of user %d: %w", user, err)
	}
	v.tree.Root = v.root
	return nil
}

func (r *restore) endVolume() error {
	v := r.volume
	if v == nil {
		return nil
	}
	r.volume = nil
	var err error
	if v.root != nil {
		err = errors.Join(v.tree.Close(), v.root.Close())
	}
	s := v.tree.Report().Skipped
	r.skipped.Count += s.Count
	for _, t := range s.First {
		if len(r.skipped.First) < 100 {
			r.skipped.First = append(r.skipped.First, "user "+v.id+": "+t)
		}
	}
	if v.close != nil {
		err = errors.Join(err, v.close())
	}
	if err != nil {
		return fmt.Errorf("the volume of user %s: %w", v.id, err)
	}
	return nil
}

func (r *restore) close() error {
	if r.own == nil {
		return nil
	}
	own := r.own
	r.own = nil
	return own.Close()
}
