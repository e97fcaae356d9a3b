package tree

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Packer takes folders. Add is given each entry with a body of exactly its
// size, and must read it whole.
type Packer struct {
	Add func(h *tar.Header, body io.Reader) error
	// Owner gives the owner inside for one on the host.
	Owner func(uid uint32) int

	report    Report
	links     map[linkKey]string
	linkBytes int
	dev       uint64
	// Bounds of one volume, so that one that is changed all the time comes to an end.
	entriesLeft, bytesLeft int64
}

// linkKey knows a file with several names. Times and size are in it lest the
// number of a file that was deleted meanwhile be taken for it.
type linkKey struct {
	ino   uint64
	size  int64
	mtime unix.Timespec
}

// Report is of all that was packed so far.
func (p *Packer) Report() Report { return p.report }

// Pack takes the folder and all below it, under a name without a slash at its
// end. What cannot be read is noted and left out; an error is the context's, or
// of Add.
func (p *Packer) Pack(ctx context.Context, dir *os.File, name string) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return fmt.Errorf("look at folder: %w", err)
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &fs); err != nil {
		return fmt.Errorf("look at file system: %w", err)
	}
	p.dev, p.links, p.linkBytes = st.Dev, map[linkKey]string{}, 0
	p.entriesLeft, p.bytesLeft = 1<<62, 1<<62
	if fs.Files > 0 && fs.Files < 1<<40 {
		p.entriesLeft = 2*int64(fs.Files) + 1000
	}
	if size := int64(fs.Blocks) * fs.Bsize; size > 0 && size < 1<<60 {
		p.bytesLeft = 3*size + 1<<20
	}
	defer openUp(int(dir.Fd()), st, 0o500)()
	err := p.folder(ctx, dir, st, name, 0)
	if errors.Is(err, errChanging) {
		p.report.skip(name, err)
		return nil
	}
	return err
}

func (p *Packer) folder(ctx context.Context, dir *os.File, st unix.Stat_t, name string, depth int) error {
	h := p.header(st, name+"/", tar.TypeDir)
	p.attributes(h, dir)
	if err := p.add(h, nil, 0); err != nil {
		return err
	}
	for {
		names, err := dir.Readdirnames(512)
		for _, n := range names {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := p.entry(ctx, dir, n, name+"/"+n, depth+1); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || len(names) == 0 && err == nil {
			return nil
		}
		if err != nil {
			p.report.skip(name+"/", err)
			return nil
		}
	}
}

// entry takes one name of a folder. It is first held without being opened: to
// open a pipe or a device would already do something.
func (p *Packer) entry(ctx context.Context, dir *os.File, base, name string, depth int) error {
	if len(name) > maxPath || depth > maxDepth {
		p.report.skip(name, errTooDeep)
		return nil
	}
	fd, err := unix.Openat(int(dir.Fd()), base, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil // deleted since
	}
	if err != nil {
		p.report.skip(name, err)
		return nil
	}
	held := os.NewFile(uintptr(fd), base)
	defer held.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		p.report.skip(name, err)
		return nil
	}
	if st.Dev != p.dev {
		p.report.skip(name, errElse)
		return nil
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		defer openUp(fd, st, 0o500)() // while its names are looked up
		f, err := reopen(fd, unix.O_DIRECTORY)
		if err != nil {
			p.report.skip(name, err)
			return nil
		}
		defer f.Close()
		return p.folder(ctx, f, st, name, depth)
	case unix.S_IFREG:
		return p.file(fd, st, name)
	case unix.S_IFLNK:
		target, err := readlink(fd)
		if err != nil {
			p.report.skip(name, err)
			return nil
		}
		h := p.header(st, name, tar.TypeSymlink)
		h.Linkname = target
		return p.add(h, nil, 0)
	}
	p.report.skip(name, errSpecial)
	return nil
}

// reopen opens what a descriptor holds, whatever its name is by now. It does
// not wait for somebody who has a lease on the file.
func reopen(fd, flags int) (*os.File, error) {
	path := "/proc/self/fd/" + strconv.Itoa(fd)
	f, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOATIME|flags, 0)
	if errors.Is(err, unix.EPERM) { // not ours: then its time of access changes
		f, err = unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|flags, 0)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(f), path), nil
}

// openUp gives who packs the rights to what is their own and closed to them, as
// it is until then. The mode in the archive is the one it had.
func openUp(held int, st unix.Stat_t, rights uint32) (closeAgain func()) {
	had := st.Mode & 0o7777
	if had&rights == rights || int(st.Uid) != os.Geteuid() || st.Uid == 0 {
		return func() {}
	}
	path := "/proc/self/fd/" + strconv.Itoa(held)
	if unix.Chmod(path, had|rights) != nil {
		return func() {} // it is noted when it cannot be opened
	}
	return func() {
		var now unix.Stat_t
		if unix.Fstat(held, &now) == nil && now.Mode&0o7777 == had|rights { // not changed by its person since
			_ = unix.Chmod(path, had) // it worked a moment ago
		}
	}
}

func readlink(fd int) (string, error) {
	b := make([]byte, maxPath+1)
	n, err := unix.Readlinkat(fd, "", b)
	if err != nil {
		return "", err
	}
	if n > maxPath {
		return "", errTooDeep
	}
	return string(b[:n]), nil
}

func (p *Packer) file(held int, st unix.Stat_t, name string) error {
	key := linkKey{st.Ino, st.Size, st.Mtim}
	if st.Nlink > 1 {
		if first, ok := p.links[key]; ok {
			h := p.header(st, name, tar.TypeLink)
			h.Linkname = first
			return p.add(h, nil, 0)
		}
	}
	closeAgain := openUp(held, st, 0o400)
	f, err := reopen(held, 0)
	closeAgain()
	if err != nil {
		p.report.skip(name, err)
		return nil
	}
	defer f.Close()
	h := p.header(st, name, tar.TypeReg)
	p.attributes(h, f)
	h.Size = st.Size
	body, size := io.Reader(&exactly{f: f, left: st.Size}), st.Size
	if st.Blocks*512 < st.Size && st.Size > minHole {
		if found, err := extents(f, st.Size); err == nil && holes(found, st.Size) >= minHole {
			h.PAXRecords[recordSparse] = strconv.FormatInt(st.Size, 10)
			sparse := newSparseReader(f, found)
			body, size = sparse, sparse.size
			h.Size = size
		}
	}
	if st.Nlink > 1 && p.linkBytes < maxLinkNames {
		p.links[key] = name
		p.linkBytes += len(name) + 64
	}
	if err := p.add(h, body, size); err != nil {
		return err
	}
	if e, ok := body.(*exactly); ok && e.short {
		p.report.skip(name, errShrank)
	}
	return nil
}

func (p *Packer) add(h *tar.Header, body io.Reader, size int64) error {
	if p.entriesLeft--; p.entriesLeft < 0 {
		return errChanging
	}
	if p.bytesLeft -= size; p.bytesLeft < 0 {
		return errChanging
	}
	if body == nil {
		body = bytes.NewReader(nil)
	}
	p.report.Entries++
	p.report.Bytes += size
	return p.Add(h, body)
}

func (p *Packer) header(st unix.Stat_t, name string, kind byte) *tar.Header {
	return &tar.Header{
		Typeflag: kind, Name: name, Format: tar.FormatPAX, Mode: int64(st.Mode & 0o7777), ModTime: time.Unix(st.Mtim.Sec, st.Mtim.Nsec),
		Uid: p.Owner(st.Uid), Gid: p.Owner(st.Gid), PAXRecords: map[string]string{},
	}
}

// attributes adds the extended attributes.
func (p *Packer) attributes(h *tar.Header, f *os.File) {
	fd := int(f.Fd())
	names := make([]byte, 64<<10)
	n, err := unix.Flistxattr(fd, names)
	if err != nil || n == 0 {
		return // a file system without them
	}
	total := 0
	for _, name := range strings.Split(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		if !strings.HasPrefix(name, xattrKept) || strings.ContainsAny(name, "=") {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Fgetxattr(fd, name, value)
		if err != nil {
			continue // deleted since
		}
		if total += len(name) + n; total > maxXattrs {
			p.report.skip(h.Name, errXattrs)
			return
		}
		h.PAXRecords[recordXattr+name] = string(value[:n])
	}
}

// exactly reads as many bytes as a file had when it was opened: what grows is
// cut, and what shrinks is filled up.
type exactly struct {
	f     *os.File
	at    int64 // where it reads; the file's own offset was moved by looking for holes
	left  int64
	short bool
}

func (e *exactly) Read(b []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), e.left)]
	n := 0
	if !e.short {
		var err error
		n, err = e.f.ReadAt(b, e.at)
		e.at += int64(n)
		e.short = err != nil
	}
	if n <= 0 {
		clear(b)
		n = len(b)
	}
	e.left -= int64(n)
	return n, nil
}
