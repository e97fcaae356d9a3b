package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/fault/words"
	"github.com/carrel-dev/carrel/internal/runtime"
)

// Snapshots is package snapshot's service.
type Snapshots interface {
	// List gives a user's, the newest first. There are few.
	List(ctx context.Context, userID int64) ([]runtime.Snapshot, error)
	Take(ctx context.Context, userID int64) (runtime.Snapshot, error)
	// Restore ends the instance, and keeps the files as they are as a snapshot first.
	Restore(ctx context.Context, userID int64, id string) error
	Delete(ctx context.Context, userID int64, id string) error
}

// snapshotTimeout is for all of a person's files, twice.
const snapshotTimeout = 20 * time.Minute

func (s *Server) registerSnapshots() {
	snapshots := s.deps.Snapshots
	if snapshots == nil {
		snapshots = noSnapshots{}
	}
	slow := map[string]any{metaTimeout: snapshotTimeout}
	route(s, signedIn, huma.Operation{Method: http.MethodGet, Path: "/snapshots", Summary: "Snapshots of the own files, the newest first"},
		func(ctx context.Context, in *Page) (*body[List[runtime.Snapshot]], error) {
			all, err := snapshots.List(ctx, caller(ctx).ID)
			if err != nil {
				return nil, err
			}
			return pageOfSnapshots(all, in), nil
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPost, Path: "/snapshots", Summary: "Take a snapshot of the own files", DefaultStatus: http.StatusCreated, Metadata: slow,
		Description: "All of the home as it is, while work goes on. The oldest go when there are too many or they are too large; conversations stay as they are."},
		func(ctx context.Context, _ *nothing) (*body[runtime.Snapshot], error) {
			snap, err := snapshots.Take(ctx, caller(ctx).ID)
			if err != nil {
				return nil, err
			}
			if snap.SkippedFirst != "" {
				snap.SkippedFirst = words.Say(requestOf(ctx).reads, snap.Missed())
			}
			return &body[runtime.Snapshot]{Body: snap}, nil
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPost, Path: "/snapshots/{id}/restore", Summary: "Put a snapshot in the place of the own files", DefaultStatus: http.StatusNoContent, Metadata: slow,
		Description: "Ends the instance and all that runs in it. The files as they are become a snapshot themselves first. Whole or not at all: both must fit into the storage together."},
		func(ctx context.Context, in *idInput) (*nothing, error) {
			// A restore that was begun is not cut short by a page that was closed.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), snapshotTimeout)
			defer cancel()
			if err := snapshots.Restore(ctx, caller(ctx).ID, in.ID); err != nil {
				return nil, err
			}
			s.note(ctx, "snapshot.restore", userTarget(caller(ctx).ID), map[string]any{"id": in.ID})
			return nil, nil
		})
	route(s, signedIn, huma.Operation{Method: http.MethodDelete, Path: "/snapshots/{id}", Summary: "Delete a snapshot"},
		func(ctx context.Context, in *idInput) (*nothing, error) {
			return nil, snapshots.Delete(ctx, caller(ctx).ID, in.ID)
		})
}

// pageOfSnapshots cuts a page; the cursor is the last one's id, which need not be there any more.
func pageOfSnapshots(all []runtime.Snapshot, in *Page) *body[List[runtime.Snapshot]] {
	if in.Cursor != "" {
		all = slices.DeleteFunc(all, func(x runtime.Snapshot) bool { return x.ID >= in.Cursor })
	}
	next := ""
	if len(all) > in.Limit {
		all = all[:in.Limit]
		next = all[in.Limit-1].ID
	}
	return listOf(all, next)
}

// noSnapshots is where nobody keeps any.
type noSnapshots struct{}

func (noSnapshots) List(context.Context, int64) ([]runtime.Snapshot, error) { return nil, nil }
func (noSnapshots) Take(context.Context, int64) (runtime.Snapshot, error) {
	return runtime.Snapshot{}, fault.New(fault.RuntimeUnavailable, "This server keeps no snapshots.")
}
func (noSnapshots) Restore(context.Context, int64, string) error {
	return fault.New(fault.NotFound, "There is no such snapshot.")
}
func (noSnapshots) Delete(context.Context, int64, string) error {
	return fault.New(fault.NotFound, "There is no such snapshot.")
}
