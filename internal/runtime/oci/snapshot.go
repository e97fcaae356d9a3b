package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/runtime"
)

// person is whom a user's files belong to on the host.
func (r *Runtime) person(userID int64) *syscall.Credential {
	id := r.uidBase(userID) + personID
	return &syscall.Credential{Uid: id, Gid: id, Groups: []uint32{}}
}

func checkUser(userID int64) error {
	if userID <= 0 || userID > MaxUserID {
		return fault.InvalidField("user_id", "User ids go from 1 to %d.", MaxUserID)
	}
	return nil
}

func (r *Runtime) Snapshots(_ context.Context, userID int64) ([]runtime.Snapshot, error) {
	if err := checkUser(userID); err != nil {
		return nil, err
	}
	return r.snapshots.List(userID)
}

func (r *Runtime) TakeSnapshot(ctx context.Context, userID int64, kind string, keep runtime.Keep) (runtime.Snapshot, error) {
	dir, release, err := r.Hold(ctx, userID)
	if err != nil {
		return runtime.Snapshot{}, err
	}
	defer release()
	home, err := os.OpenFile(dir+"/home", os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return runtime.Snapshot{}, fmt.Errorf("open home: %w", err)
	}
	defer home.Close()
	return r.snapshots.Take(ctx, userID, home, r.person(userID), kind, keep)
}

// RestoreSnapshot keeps the user's instance from being made meanwhile.
func (r *Runtime) RestoreSnapshot(ctx context.Context, userID int64, id string) error {
	if err := checkUser(userID); err != nil {
		return err
	}
	done, err := r.claim(ctx, userID)
	if err != nil {
		return err
	}
	defer done()
	handles, err := r.List(ctx)
	if err != nil {
		return err
	}
	for _, h := range handles {
		if h.Spec.UserID == userID {
			return fault.New(fault.Conflict, "The user's instance is still there. Destroy it first.")
		}
	}
	p := r.paths("", userID)
	if _, err := os.Lstat(p.image); errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.NotFound, "There is no such snapshot.")
	}
	if _, err := mountSource(p.volume); err != nil {
		if err := mountImage(ctx, p.image, p.volume, int(r.uidBase(userID))); err != nil {
			return err
		}
	}
	defer func() {
		// It stays mounted, then, until the next instance ends. What was done is done.
		if err := r.letGo(context.WithoutCancel(ctx), userID, p); err != nil {
			r.opt.Log.Error("unmount a volume that was restored", "user_id", userID, "err", err)
		}
	}()
	r.snapshots.Tidy(ctx, userID, p.volume, r.opt.Log)
	return r.snapshots.Restore(ctx, userID, id, p.volume, r.person(userID), r.opt.Log)
}

func (r *Runtime) DeleteSnapshot(_ context.Context, userID int64, id string) error {
	if err := checkUser(userID); err != nil {
		return err
	}
	return r.snapshots.Delete(userID, id)
}
