package snapshotdir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/backup/tree"
	"github.com/carrel-dev/carrel/internal/fault"
)

// besides is the folder beside home/ in which a restored one is made.
const besides = "home.restoring"

// Restore puts a snapshot in the place of the home in a volume that nobody uses.
func (d *Dir) Restore(ctx context.Context, userID int64, id, volume string, person *syscall.Credential) (err error) {
	s, err := d.find(userID, id)
	if err != nil {
		return err
	}
	release, err := d.claim(userID)
	if err != nil {
		return err
	}
	defer release()
	f, err := os.Open(d.file(userID, s))
	if err != nil {
		return fmt.Errorf("open snapshot: %w", err)
	}
	defer f.Close()
	to := filepath.Join(volume, besides)
	if err := os.RemoveAll(to); err != nil { // of one that was cut short
		return fmt.Errorf("restore snapshot: %w", err)
	}
	defer func() { // after the change, the old home
		if e := os.RemoveAll(to); err == nil && e != nil {
			err = fmt.Errorf("remove the home before: %w", e)
		}
	}()
	if err := os.Mkdir(to, 0o700); err != nil {
		return fmt.Errorf("restore snapshot: %w", err)
	}
	dir, err := os.OpenFile(to, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("restore snapshot: %w", err)
	}
	defer dir.Close()
	if person != nil {
		if err := dir.Chown(int(person.Uid), int(person.Gid)); err != nil {
			return fmt.Errorf("restore snapshot: %w", err)
		}
	}
	if err := work(ctx, "snapshot-unpack", dir, person, f, nil); err != nil {
		if strings.Contains(err.Error(), unix.ENOSPC.Error()) || strings.Contains(err.Error(), unix.EDQUOT.Error()) {
			return fault.Wrap(err, fault.QuotaExceeded, "The files as they are now and those of the snapshot do not fit into the storage together. Nothing was changed. Delete what is not needed and try again.")
		}
		return fmt.Errorf("restore snapshot: %w", err)
	}
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("restore snapshot: %w", err)
	}
	if err := unix.Renameat2(unix.AT_FDCWD, to, unix.AT_FDCWD, filepath.Join(volume, "home"), unix.RENAME_EXCHANGE); err != nil {
		return fmt.Errorf("restore snapshot: %w", err)
	}
	return nil
}

// work runs this program as the person, with the folder as its descriptor 3.
// Nothing else of ours is open in it.
func work(ctx context.Context, what string, dir *os.File, person *syscall.Credential, in io.Reader, out io.Writer) error {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", what)
	cmd.Args[0] = "carrel"
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: person}
	cmd.WaitDelay = time.Second
	var said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, &said
	if err := cmd.Run(); err != nil {
		text := bytes.TrimSpace(said.Bytes())
		return fmt.Errorf("%s: %w: %s", what, errors.Join(err, ctx.Err()), text[:min(len(text), 500)])
	}
	return nil
}

// Pack is the work of the process `carrel snapshot-pack`.
func Pack(ctx context.Context, out io.Writer) error {
	dir := os.NewFile(3, "home")
	defer dir.Close()
	_, err := tree.WriteStream(ctx, dir, out)
	return err
}

// Unpack is the work of the process `carrel snapshot-unpack`.
func Unpack(ctx context.Context, in io.Reader) error {
	root, err := os.OpenRoot("/proc/self/fd/3")
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	defer func() { _ = root.Close() }() // only names are read through it
	_, err = tree.ReadStream(ctx, in, root)
	return err
}
