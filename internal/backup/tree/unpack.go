package tree

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Unpacker makes the entries of an archive below one folder, and nothing
// outside of it whatever their names and links say.
type Unpacker struct {
	Root *os.Root
	// Owner gives the owner on the host for one inside; nil leaves everything to who unpacks.
	Owner func(id int) int
	// PlainModes leaves set-user-id and the like out, for a folder on a file system that honours them.
	PlainModes bool

	report  Report
	folders []folder // times and modes, to be set last: first their contents must be made
	// The folder of the last entry is kept open: most of what follows is in it.
	parentName string
	parent     *os.Root
}

type folder struct {
	name string
	h    *tar.Header
}

// Report is of all that was unpacked so far.
func (u *Unpacker) Report() Report { return u.report }

// Add makes one entry. Its name must have been Packer's work: one that leads
// elsewhere is an error. What a folder that changed while it was packed makes
// impossible (two files of one name, a link to what was left out) is noted.
func (u *Unpacker) Add(h *tar.Header, body io.Reader) error {
	name := strings.TrimSuffix(h.Name, "/")
	if !filepath.IsLocal(name) || path.Clean(name) != name || strings.ContainsRune(name, 0) {
		return fmt.Errorf("%w: %q", ErrName, h.Name)
	}
	if h.Typeflag == tar.TypeLink && (!filepath.IsLocal(h.Linkname) || path.Clean(h.Linkname) != h.Linkname) {
		return fmt.Errorf("%w: %q", ErrName, h.Linkname)
	}
	err := u.make(h, name, body)
	if err == nil {
		u.report.Entries++
		return nil
	}
	if ofNames(err) {
		u.report.skip(h.Name, err)
		return nil
	}
	return fmt.Errorf("make %q: %w", h.Name, err)
}

// ofNames tells whether an error comes of what else bears the names in an
// entry, and not of the disk or of our rights.
func ofNames(err error) bool {
	for _, e := range []error{unix.ENOENT, unix.EEXIST, unix.ENOTDIR, unix.EISDIR, unix.ENOTEMPTY, unix.ELOOP, unix.ENAMETOOLONG, unix.EMLINK, unix.EXDEV} {
		if errors.Is(err, e) {
			return true
		}
	}
	var pe *os.PathError
	var le *os.LinkError
	var no unix.Errno
	return (errors.As(err, &pe) || errors.As(err, &le)) && !errors.As(err, &no) // os.Root: it leads out
}

func (u *Unpacker) make(h *tar.Header, name string, body io.Reader) error {
	dir, err := u.in(path.Dir(name))
	if err != nil {
		return err
	}
	base := path.Base(name)
	if name == "." {
		base = "."
	}
	switch h.Typeflag {
	case tar.TypeDir:
		if err := dir.Mkdir(base, 0o700); err != nil {
			fi, e := dir.Lstat(base)
			if e != nil || !fi.IsDir() {
				return err
			}
		}
		u.folders = append(u.folders, folder{name, h})
		return nil
	case tar.TypeReg:
		return u.file(dir, base, h, body)
	case tar.TypeSymlink:
		if err := again(dir, base, func() error { return dir.Symlink(h.Linkname, base) }); err != nil {
			return err
		}
		if err := u.own(h, func(uid, gid int) error { return dir.Lchown(base, uid, gid) }); err != nil {
			return err
		}
		return u.linkTime(dir, base, h.ModTime)
	case tar.TypeLink:
		return again(dir, base, func() error { return u.Root.Link(h.Linkname, name) })
	}
	return fmt.Errorf("an entry of kind %q", h.Typeflag)
}

// again makes something in the place of what is there.
func again(dir *os.Root, base string, do func() error) error {
	err := do()
	if errors.Is(err, os.ErrExist) && dir.Remove(base) == nil {
		err = do()
	}
	return err
}

func (u *Unpacker) in(name string) (*os.Root, error) {
	if name == "." {
		return u.Root, nil
	}
	if u.parent != nil && u.parentName == name {
		return u.parent, nil
	}
	next, err := u.Root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	if u.parent != nil {
		_ = u.parent.Close() // only names are read through it
	}
	u.parent, u.parentName = next, name
	return next, nil
}

func (u *Unpacker) file(dir *os.Root, base string, h *tar.Header, body io.Reader) error {
	var f *os.File
	if err := again(dir, base, func() (err error) {
		f, err = dir.OpenFile(base, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		return err
	}); err != nil {
		return err
	}
	err := u.fill(f, h, body)
	return errors.Join(err, f.Close())
}

func (u *Unpacker) fill(f *os.File, h *tar.Header, body io.Reader) error {
	if size, ok := h.PAXRecords[recordSparse]; ok {
		n, err := strconv.ParseInt(size, 10, 64)
		if err != nil {
			return errors.New("a file with holes of no size")
		}
		if err := writeSparse(f, n, body); err != nil {
			return err
		}
	} else if _, err := io.Copy(f, body); err != nil {
		return err
	}
	u.report.Bytes += h.Size
	return u.finish(f, h)
}

// finish gives a file or folder all but its contents. The owner comes first:
// a change of it takes the set-user-id bit away.
func (u *Unpacker) finish(f *os.File, h *tar.Header) error {
	if err := u.own(h, f.Chown); err != nil {
		return err
	}
	for k, v := range h.PAXRecords {
		name, ok := strings.CutPrefix(k, recordXattr)
		if !ok || !strings.HasPrefix(name, xattrKept) {
			continue
		}
		if err := unix.Fsetxattr(int(f.Fd()), name, []byte(v), 0); err != nil {
			u.report.skip(h.Name, fmt.Errorf("extended attribute %q: %w", name, err))
		}
	}
	mode := uint32(h.Mode & 0o7777)
	if u.PlainModes {
		mode &= 0o1777
	}
	if err := unix.Fchmod(int(f.Fd()), mode); err != nil {
		return &os.PathError{Op: "chmod", Path: h.Name, Err: err}
	}
	return setTime(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(int(f.Fd())), h.ModTime, 0)
}

func (u *Unpacker) own(h *tar.Header, chown func(uid, gid int) error) error {
	if u.Owner == nil {
		return nil
	}
	return chown(u.Owner(h.Uid), u.Owner(h.Gid))
}

func (u *Unpacker) linkTime(dir *os.Root, base string, at time.Time) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return setTime(int(f.Fd()), base, at, unix.AT_SYMLINK_NOFOLLOW)
}

func setTime(dir int, name string, at time.Time, flags int) error {
	ts := unix.Timespec{Sec: at.Unix(), Nsec: int64(at.Nanosecond())}
	if err := unix.UtimesNanoAt(dir, name, []unix.Timespec{ts, ts}, flags); err != nil {
		return &os.PathError{Op: "set time", Path: name, Err: err}
	}
	return nil
}

func (u *Unpacker) release() {
	if u.parent != nil {
		_ = u.parent.Close() // only names are read through it
		u.parent = nil
	}
}

// Close sets what folders have, deepest first, and lets go of them.
func (u *Unpacker) Close() error {
	u.release()
	var all error
	for _, d := range slices.Backward(u.folders) {
		f, err := u.Root.OpenFile(d.name, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		if err != nil {
			u.report.skip(d.h.Name, err)
			continue
		}
		if err := u.finish(f, d.h); err != nil {
			all = errors.Join(all, err)
		}
		f.Close()
	}
	u.folders = nil
	return all
}
