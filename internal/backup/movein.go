package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/backup/tree"
	"github.com/carrel-dev/carrel/internal/runtime/oci"
)

// rangeSize is how many uids each user has, see runtime/oci.
const rangeSize = 1 << 16

// make makes an empty volume, in the form that the runtime has them in.
func (v *openVolume) make(ctx context.Context, house House, dataDir string, user, size, inodes int64) (dir string, err error) {
	v.tree = &tree.Unpacker{}
	if house.Runtime == "bare" {
		dir = filepath.Join(dataDir, "volumes", "user-"+strconv.FormatInt(user, 10))
		v.tree.PlainModes = true
		return dir, os.Mkdir(dir, 0o700)
	}
	base := int(house.UIDBase + user*rangeSize)
	v.tree.Owner = func(id int) int {
		if id == tree.Supervisor {
			return base
		}
		return base + tree.Person
	}
	dir, v.close, err = oci.MakeVolume(ctx, dataDir, user, size, inodes)
	return dir, err
}

// moveIn gives the folder its owners and puts it in its place.
func (r *restore) moveIn() (kept string, err error) {
	house, err := r.settle()
	if err != nil {
		return "", err
	}
	if house.Root {
		if err := r.giveOwners(house); err != nil {
			return "", fmt.Errorf("give owners: %w", err)
		}
	}
	if err := r.root.Chmod(".", 0o771|os.ModeSticky); err != nil { // as boot.House.Prepare has it
		return "", fmt.Errorf("set mode: %w", err)
	}
	if err := syncAll(r.dir); err != nil {
		return "", err
	}
	err = unix.Renameat2(unix.AT_FDCWD, r.dir, unix.AT_FDCWD, r.DataDir, unix.RENAME_NOREPLACE)
	if err == nil {
		return "", syncFolder(filepath.Dir(r.DataDir))
	}
	if !errors.Is(err, unix.EEXIST) {
		return "", fmt.Errorf("move the folder into its place: %w", err)
	}
	if err := r.ready(); err != nil { // somebody may have put something in it meanwhile
		return "", err
	}
	// Both change places in one step: there is no moment without a data folder.
	if err := unix.Renameat2(unix.AT_FDCWD, r.dir, unix.AT_FDCWD, r.DataDir, unix.RENAME_EXCHANGE); err != nil {
		return "", fmt.Errorf("move the folder into its place: %w", err)
	}
	if err := os.Remove(r.dir); err == nil { // it was empty
		return "", syncFolder(filepath.Dir(r.DataDir))
	}
	kept = r.DataDir + ".before-" + r.Now.UTC().Format("20060102T150405Z")
	if err := unix.Renameat2(unix.AT_FDCWD, r.dir, unix.AT_FDCWD, kept, unix.RENAME_NOREPLACE); err != nil {
		kept = r.dir // it is there, under a worse name
	}
	return kept, syncFolder(filepath.Dir(r.DataDir))
}

func (r *restore) giveOwners(house House) error {
	chown := func(name string, uid int) error {
		err := r.root.Lchown(name, uid, uid)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if err := r.root.Lchown(".", 0, house.ServerUID); err != nil {
		return err
	}
	if err := chown(databaseFile, house.ServerUID); err != nil {
		return err
	}
	for _, folder := range []string{"gateway", "secrets"} {
		if _, err := r.root.Lstat(folder); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		err := fs.WalkDir(r.root.FS(), folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return chown(path, house.GatewayUID)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// syncAll makes sure that all of the folder is on disk.
func syncAll(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("write to disk: %w", err)
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("write to disk: %w", err)
	}
	return nil
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("write to disk: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write to disk: %w", err)
	}
	return nil
}
