// Package rmtree removes trees that hostile people have made, in bounded memory
// and with few descriptors, however deep they are.
package rmtree

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// maxDepth bounds the descriptors that a removal holds open. What lies deeper is moved up first: a tree may be
// deeper than a process may have files open, and its paths longer than the kernel takes.
const maxDepth = 100

// Remove removes name in parent, with all below it. Links are removed, never followed. It stops with ctx; what
// is gone then stays gone.
func Remove(ctx context.Context, parent *os.File, name string) error {
	err := unix.Unlinkat(int(parent.Fd()), name, 0)
	if err == nil || !isFolderError(err) {
		return removeError(name, err)
	}
	dir, err := openIn(parent, name)
	if err != nil {
		return removeError(name, err)
	}
	defer dir.Close()
	if err := empty(ctx, dir, dir, 0); err != nil {
		return err
	}
	return removeError(name, unix.Unlinkat(int(parent.Fd()), name, unix.AT_REMOVEDIR))
}

// empty removes what is in dir. top is where the removal began.
func empty(ctx context.Context, top, dir *os.File, depth int) error {
	for {
		// From the start each time: a folder that changes while it is read may leave names out.
		if _, err := dir.Seek(0, io.SeekStart); err != nil {
			return err
		}
		names, err := dir.Readdirnames(1024)
		if len(names) == 0 {
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			return nil
		}
		for _, name := range names {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("remove: %w", err)
			}
			// What something else removed first is gone all the same.
			if err := removeIn(ctx, top, dir, name, depth); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
}

func removeIn(ctx context.Context, top, dir *os.File, name string, depth int) error {
	err := unix.Unlinkat(int(dir.Fd()), name, 0)
	if errors.Is(err, unix.EACCES) {
		// A folder closed to writing, as Go's module cache is full of. It is the person's, and to go.
		if unix.Fchmod(int(dir.Fd()), 0o700) == nil {
			err = unix.Unlinkat(int(dir.Fd()), name, 0)
		}
	}
	if err == nil || !isFolderError(err) {
		return removeError(name, err)
	}
	if unix.Unlinkat(int(dir.Fd()), name, unix.AT_REMOVEDIR) == nil {
		return nil
	}
	sub, err := openIn(dir, name)
	if err != nil {
		return removeError(name, err)
	}
	defer sub.Close()
	if depth >= maxDepth {
		if unix.Fchmod(int(sub.Fd()), 0o700) != nil { // a folder that may not be written to cannot be moved either
			return removeError(name, unix.EACCES)
		}
		return removeError(name, unix.Renameat(int(dir.Fd()), name, int(top.Fd()), ".removed-"+rand.Text()))
	}
	if err := empty(ctx, top, sub, depth+1); err != nil {
		return err
	}
	return removeError(name, unix.Unlinkat(int(dir.Fd()), name, unix.AT_REMOVEDIR))
}

// openIn opens a folder by its name alone, and no link.
func openIn(dir *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// isFolderError: Linux says EISDIR, POSIX says EPERM, of unlink(2) on a folder.
func isFolderError(err error) bool { return errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM) }

func removeError(name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: "remove", Path: name, Err: err}
}
