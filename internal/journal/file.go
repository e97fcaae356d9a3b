package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// file is what we need of a file. Unlock lets another journal have it; closing alone would not, while a process that
// was just forked still holds a copy of the descriptor.
type file interface {
	Lock() error
	Unlock() error
	ReadAt(p []byte, off int64) (int, error)
	WriteAt(p []byte, off int64) (int, error)
	Truncate(size int64) error
	Sync() error
	Close() error
}

// disk is what we need of a file system beside files; tests put a failing one in its place.
type disk interface {
	// Create opens a file to read and write, and makes it if need be; one that is there is emptied if fresh is wanted.
	Create(path string, fresh bool) (file, error)
	Rename(from, to string) error
	// SyncDir makes the names in the folder of a file safe.
	SyncDir(path string) error
}

type realFile struct{ *os.File }

func (f realFile) Lock() error   { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
func (f realFile) Unlock() error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }

type realDisk struct{}

func (realDisk) Create(path string, fresh bool) (file, error) {
	flag := os.O_RDWR | os.O_CREATE | syscall.O_NOFOLLOW
	if fresh {
		flag |= os.O_TRUNC
	}
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return realFile{f}, nil
}

func (realDisk) Rename(from, to string) error { return os.Rename(from, to) }

func (realDisk) SyncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// openTail opens and locks the file that a path names.
func openTail(path string) (realFile, error) {
	for range 10 {
		opened, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
		if err != nil {
			return realFile{}, err
		}
		f := realFile{opened}
		if err := f.Lock(); err != nil {
			_ = f.Close() // nothing was written
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return realFile{}, ErrLocked
			}
			return realFile{}, fmt.Errorf("lock: %w", err)
		}
		ours, err := f.Stat()
		if err == nil {
			var named os.FileInfo
			if named, err = os.Lstat(path); err == nil && os.SameFile(ours, named) {
				return f, nil
			}
		}
		_ = errors.Join(f.Unlock(), f.Close())
		if err != nil && !os.IsNotExist(err) {
			return realFile{}, err
		}
		// Its holder gave the name to another file between our open and our lock.
	}
	return realFile{}, ErrLocked
}
