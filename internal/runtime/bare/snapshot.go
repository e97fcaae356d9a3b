package bare

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/runtime"
)

func (r *Runtime) Snapshots(_ context.Context, userID int64) ([]runtime.Snapshot, error) {
	return r.snapshots.List(userID)
}

func (r *Runtime) TakeSnapshot(ctx context.Context, userID int64, kind string, keep runtime.Keep) (runtime.Snapshot, error) {
	home, err := os.OpenFile(filepath.Join(r.volume(userID), "home"), os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return runtime.Snapshot{}, fault.New(fault.NotFound, "The user has no files yet.")
	}
	if err != nil {
		return runtime.Snapshot{}, fmt.Errorf("open home: %w", err)
	}
	defer home.Close()
	return r.snapshots.Take(ctx, userID, home, nil, kind, keep)
}

func (r *Runtime) RestoreSnapshot(ctx context.Context, userID int64, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	handles, err := r.dir.List(r.opt.Log)
	if err != nil {
		return err
	}
	for _, h := range handles {
		if h.Spec.UserID == userID {
			return fault.New(fault.Conflict, "The user's instance is still there. Destroy it first.")
		}
	}
	r.snapshots.Tidy(ctx, userID, r.volume(userID), r.opt.Log)
	return r.snapshots.Restore(ctx, userID, id, r.volume(userID), nil, r.opt.Log)
}

func (r *Runtime) DeleteSnapshot(_ context.Context, userID int64, id string) error {
	return r.snapshots.Delete(userID, id)
}
