package backup

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/backup/tree"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/keeper"
	"github.com/carrel-dev/carrel/internal/runtime/oci"
)

// The folders of a volume, in the order that they are read in: the journal
// first, so that whatever a journal tells is in the home, and not the reverse.
var folders = []string{"journal", "home"}

var errNoVolume = errors.New("no volume")

// patience is for a keeper that is just starting or ending.
const patience = 30 * time.Second

// volumes opens people's volumes for reading, while they are used or not.
type volumes struct {
	dataDir, stateDir string
	keeper            *keeper.Client
}

func (v volumes) path(userID int64) string {
	return filepath.Join(v.dataDir, "volumes", "user-"+strconv.FormatInt(userID, 10))
}

// with gives f a user's volume; errNoVolume where there is none yet.
func (v volumes) with(ctx context.Context, userID int64, f func(ctx context.Context, dir *os.File, image int64) error) error {
	path := v.path(userID)
	image, err := os.Lstat(path + ".img")
	switch {
	case errors.Is(err, fs.ErrNotExist): // a folder, as the runtime bare has it
		return v.open(ctx, path, 0, f)
	case err != nil:
		return fmt.Errorf("look at volume: %w", err)
	case !image.Mode().IsRegular():
		return fmt.Errorf("the volume of user %d is not a file", userID)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	deadline := time.Now().Add(patience)
	for {
		lock, err := keeper.TryLock(v.stateDir)
		if err == nil {
			defer lock.Close()
			return v.mount(ctx, userID, image.Size(), f)
		}
		if errors.Is(err, fs.ErrNotExist) { // no state folder: it never ran on this machine, or not since its start
			return v.mount(ctx, userID, image.Size(), f)
		}
		if !errors.Is(err, keeper.ErrLocked) {
			return err
		}
		err = v.keeper.HoldVolume(ctx, userID, func(ctx context.Context, dir string) error { return v.open(ctx, dir, image.Size(), f) })
		if code := fault.CodeOf(err); err != nil && code == fault.NotFound {
			return errNoVolume
		} else if code != fault.RuntimeUnavailable || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (v volumes) mount(ctx context.Context, userID, size int64, f func(context.Context, *os.File, int64) error) (err error) {
	dir, closer, err := oci.OpenVolume(ctx, v.dataDir, userID)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closer()) }()
	return v.open(ctx, dir, size, f)
}

func (v volumes) open(ctx context.Context, path string, image int64, f func(context.Context, *os.File, int64) error) error {
	dir, err := openFolder(unix.AT_FDCWD, path)
	if errors.Is(err, fs.ErrNotExist) {
		return errNoVolume
	}
	if err != nil {
		return fmt.Errorf("open volume: %w", err)
	}
	defer dir.Close()
	if image > 0 {
		if same, err := sameDevice(dir, filepath.Dir(path)); err != nil {
			return err
		} else if same {
			return errors.New("the keeper mounts volumes where this command does not see them. Run it in the same container or mount namespace as `carrel serve`")
		}
	}
	return f(ctx, dir, image)
}

func sameDevice(dir *os.File, other string) (bool, error) {
	var a, b unix.Stat_t
	if err := errors.Join(unix.Fstat(int(dir.Fd()), &a), unix.Stat(other, &b)); err != nil {
		return false, fmt.Errorf("look at volume: %w", err)
	}
	return a.Dev == b.Dev, nil
}

func openFolder(at int, name string) (*os.File, error) {
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: filepath.Base(name), Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// pack takes a volume. Its own entry comes first and tells its limits.
func packVolume(ctx context.Context, dir *os.File, a Account, image int64, p *tree.Packer) error {
	size, inodes := a.StorageBytes, a.Inodes
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &st); err != nil {
		return fmt.Errorf("look at volume: %w", err)
	}
	if image > 0 {
		size, inodes = image, int64(st.Files)
		// What is nearly full may not fit into a file system of the same size that is filled in another order.
		if st.Bfree < st.Blocks/20 {
			size += size / 20
		}
	}
	if size <= 0 || inodes <= 0 {
		return fmt.Errorf("user %d has no storage limit in the database", a.ID)
	}
	name := "volumes/" + strconv.FormatInt(a.ID, 10)
	h := &tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755, ModTime: time.Unix(0, 0), Format: tar.FormatPAX,
		PAXRecords: map[string]string{recordBytes: strconv.FormatInt(size, 10), recordInodes: strconv.FormatInt(inodes, 10)}}
	if err := p.Add(h, strings.NewReader("")); err != nil {
		return err
	}
	owner, err := owners(dir)
	if err != nil {
		return err
	}
	p.Owner = owner
	for _, n := range folders {
		err := func() error {
			f, err := openFolder(int(dir.Fd()), n)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			defer f.Close()
			return p.Pack(ctx, f, name+"/"+n)
		}()
		if err != nil {
			return err
		}
	}
	return nil
}

// owners tells the supervisor's files from the person's by those of the two
// folders. In the runtime bare all are of one, and count as the person's.
func owners(dir *os.File) (func(uid uint32) int, error) {
	var st [2]unix.Stat_t
	for i, n := range folders {
		if err := unix.Fstatat(int(dir.Fd()), n, &st[i], unix.AT_SYMLINK_NOFOLLOW); err != nil && !errors.Is(err, unix.ENOENT) {
			return nil, fmt.Errorf("look at volume: %w", err)
		}
	}
	supervisor, person := st[0].Uid, st[1].Uid
	return func(uid uint32) int {
		if uid == supervisor && supervisor != person {
			return tree.Supervisor
		}
		return tree.Person
	}, nil
}
