package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/runtime"
)

// Hold keeps a user's volume mounted, with or without an instance, so that it
// can be read; a backup does. An instance that is made meanwhile uses the same
// mount, one that ends leaves it. What does not exist is a fault.NotFound.
func (r *Runtime) Hold(ctx context.Context, userID int64) (dir string, release func(), err error) {
	if err := checkUser(userID); err != nil {
		return "", nil, err
	}
	done, err := r.claim(ctx, userID)
	if err != nil {
		return "", nil, err
	}
	defer done()
	p := r.paths("", userID)
	if _, err := os.Lstat(p.image); errors.Is(err, fs.ErrNotExist) {
		return "", nil, fault.New(fault.NotFound, "The user has no files yet.")
	}
	if _, err := mountSource(p.volume); err != nil {
		if err := mountImage(ctx, p.image, p.volume, int(r.uidBase(userID))); err != nil {
			return "", nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held[userID]++
	return p.volume, func() { r.release(userID) }, nil
}

const releaseTimeout = 20 * time.Second

func (r *Runtime) release(userID int64) {
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	r.mu.Lock()
	if r.held[userID]--; r.held[userID] <= 0 {
		delete(r.held, userID)
	}
	r.mu.Unlock()
	done, err := r.claim(ctx, userID)
	if err == nil {
		defer done()
		err = r.closeUnused(ctx, userID)
	}
	if err != nil { // it stays mounted until the user's next instance ends
		r.opt.Log.Error("unmount a volume that was read", "user_id", userID, "err", err)
	}
}

func (r *Runtime) closeUnused(ctx context.Context, userID int64) error {
	handles, err := r.List(ctx)
	if err != nil {
		return err
	}
	for _, h := range handles {
		if h.Spec.UserID == userID {
			return nil
		}
	}
	return r.letGo(ctx, userID, r.paths("", userID))
}

func (r *Runtime) isHeld(userID int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held[userID] > 0
}

// letGo unmounts a user's volume unless somebody reads it, who then does.
func (r *Runtime) letGo(ctx context.Context, userID int64, p paths) error {
	if r.isHeld(userID) {
		return nil
	}
	return closeVolume(ctx, p.volume)
}

// OpenVolume mounts a user's volume where no keeper runs, which the caller must
// have made sure of, and keeps so until close. One that is mounted, as by
// instances whose keeper was killed, is left so.
func OpenVolume(ctx context.Context, dataDir string, userID int64) (dir string, closer func() error, err error) {
	dir = volumePath(dataDir, userID)
	if _, err := mountSource(dir); err == nil {
		return dir, func() error { return nil }, nil
	}
	if err := mountImage(ctx, dir+".img", dir, 0); err != nil {
		return "", nil, err
	}
	return dir, func() error { return closeWithin(ctx, dir) }, nil
}

// MakeVolume makes a user's volume of a size and a number of inodes in a data
// folder that nobody uses yet, and mounts it until close.
func MakeVolume(ctx context.Context, dataDir string, userID, size, inodes int64) (dir string, closer func() error, err error) {
	if userID <= 0 || userID > MaxUserID {
		return "", nil, fmt.Errorf("user ids go from 1 to %d", MaxUserID)
	}
	dir = volumePath(dataDir, userID)
	if err := makeImage(ctx, runtime.Limits{StorageBytes: size, Inodes: inodes}, dir+".img"); err != nil {
		return "", nil, err
	}
	if err := mountImage(ctx, dir+".img", dir, 0); err != nil {
		return "", nil, err
	}
	return dir, func() error { return closeWithin(ctx, dir) }, nil
}

func volumePath(dataDir string, userID int64) string {
	return filepath.Join(dataDir, "volumes", "user-"+strconv.FormatInt(userID, 10))
}

func closeWithin(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	return closeVolume(ctx, dir)
}
