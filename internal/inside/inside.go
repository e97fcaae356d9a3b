// Package inside carries the small program that runs inside instances (the
// supervisor and its file helper), so that one file installs all of Carrel. It
// is a program of its own because there is one for every person: without the
// server's parts it takes a third of the memory, and an escape finds less.
package inside

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// bin holds carrel-inside when the build made it first, as `make build` does.
//
//go:embed all:bin
var bin embed.FS

// Unpack writes the program into a folder, once for each build of it, and
// gives its path. "" means that this build carries none: the caller's own
// program then serves, with more memory.
func Unpack(dir string) (string, error) {
	// Read in pieces: the whole is in this program's file already, and need not be in its memory too.
	f, err := bin.Open("bin/carrel-inside")
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the program for instances: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	hash := sha256.New()
	size, err := io.Copy(hash, f)
	if err != nil {
		return "", fmt.Errorf("read the program for instances: %w", err)
	}
	path := filepath.Join(dir, "carrel-"+hex.EncodeToString(hash.Sum(nil)[:6]))
	if fi, err := os.Stat(path); err == nil && fi.Size() == size {
		return path, nil
	}
	if err := write(dir, path, f.(io.ReadSeeker)); err != nil {
		return "", fmt.Errorf("unpack the program for instances: %w", err)
	}
	return path, nil
}

func write(dir, path string, f io.ReadSeeker) error {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	// One that was cut short has the mode that its owner cannot write either.
	if err := os.Remove(path + ".new"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	out, err := os.OpenFile(path+".new", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o555)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, f)
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
