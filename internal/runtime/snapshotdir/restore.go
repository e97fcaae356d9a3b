package snapshotdir

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/rmtree"
)

// besides begins the name of the folder beside home/ in which a restored one is
// made, and which holds the old one once they have changed places.
const besides = "home.restoring"

// Restore puts a snapshot in the place of the home in a volume that nobody uses.
// An error, which is a fault, says that nothing was changed.
func (d *Dir) Restore(ctx context.Context, userID int64, id, volume string, person *syscall.Credential, log *slog.Logger) error {
	err := d.restore(ctx, userID, id, volume, person, log)
	var f *fault.Error
	if err == nil || errors.As(err, &f) {
		return err
	}
	return fault.Wrap(err, fault.Internal, "The snapshot could not be restored, and nothing was changed. The administrator finds the reason in the log.")
}

func (d *Dir) restore(ctx context.Context, userID int64, id, volume string, person *syscall.Credential, log *slog.Logger) error {
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
	to := filepath.Join(volume, besides+"-"+rand.Text())
	defer func() { // after the change it is the old home; what stays is removed by Tidy
		if err := remove(context.WithoutCancel(ctx), to); err != nil {
			log.Warn("remove what a restore left", "user_id", userID, "err", err)
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
	if _, err := work(ctx, "snapshot-unpack", dir, person, f, nil); err != nil {
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

const (
	removeTimeout = time.Minute      // for what a restore leaves
	tidyTimeout   = 20 * time.Second // somebody waits for the instance
)

// remove removes a folder of a volume's, whatever its person put into it.
func remove(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	parent, err := os.Open(filepath.Dir(path))
	if err == nil {
		defer parent.Close()
		err = rmtree.Remove(ctx, parent, filepath.Base(path))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Tidy removes what a keeper that was killed while it took or restored has left.
// What cannot be removed is in nobody's way, and tried again the next time.
func (d *Dir) Tidy(ctx context.Context, userID int64, volume string, log *slog.Logger) {
	release, err := d.claim(userID)
	if err != nil {
		return // one is being taken right now
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, tidyTimeout)
	defer cancel()
	err = remove(ctx, filepath.Join(d.user(userID), making))
	entries, e := os.ReadDir(volume)
	err = errors.Join(err, e)
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), besides) {
			err = errors.Join(err, remove(ctx, filepath.Join(volume, entry.Name())))
		}
	}
	if err != nil {
		log.Warn("remove what a killed keeper left of a snapshot", "user_id", userID, "err", err)
	}
}
