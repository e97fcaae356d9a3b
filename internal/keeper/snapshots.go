package keeper

import (
	"context"
	"net/http"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/runtime"
)

func (s *server) handleSnapshots(mux *http.ServeMux) {
	of := func() (runtime.Snapshotter, error) {
		if rt, ok := s.runtime.(runtime.Snapshotter); ok {
			return rt, nil
		}
		return nil, fault.New(fault.RuntimeUnavailable, "This runtime keeps no snapshots.")
	}
	rpc.Unary(mux, procSnapshots, true, func(ctx context.Context, r *userRequest) (*snapshotsResponse, error) {
		rt, err := of()
		if err != nil {
			return nil, err
		}
		all, err := rt.Snapshots(ctx, r.UserID)
		return &snapshotsResponse{Snapshots: all}, err
	})
	rpc.Unary(mux, procTake, true, func(ctx context.Context, r *takeRequest) (*runtime.Snapshot, error) {
		rt, err := of()
		if err != nil {
			return nil, err
		}
		start := time.Now()
		snap, err := rt.TakeSnapshot(ctx, r.UserID, r.Kind, r.Keep)
		s.told("take snapshot", "", r.UserID, start, err)
		return &snap, err
	})
	rpc.Unary(mux, procRestore, true, func(ctx context.Context, r *snapshotRequest) (*empty, error) {
		rt, err := of()
		if err != nil {
			return nil, err
		}
		start := time.Now()
		err = rt.RestoreSnapshot(ctx, r.UserID, r.ID)
		s.told("restore snapshot", "", r.UserID, start, err)
		return &empty{}, err
	})
	rpc.Unary(mux, procDelete, true, func(ctx context.Context, r *snapshotRequest) (*empty, error) {
		rt, err := of()
		if err != nil {
			return nil, err
		}
		return &empty{}, rt.DeleteSnapshot(ctx, r.UserID, r.ID)
	})
}

// Snapshots gives a user's snapshots, the newest first.
func (c *Client) Snapshots(ctx context.Context, userID int64) ([]runtime.Snapshot, error) {
	res, err := call[userRequest, snapshotsResponse](ctx, c, procSnapshots, &userRequest{UserID: userID})
	if err != nil {
		return nil, err
	}
	return res.Snapshots, nil
}

// TakeSnapshot takes a snapshot of a user's home.
func (c *Client) TakeSnapshot(ctx context.Context, userID int64, kind string, keep runtime.Keep) (runtime.Snapshot, error) {
	s, err := call[takeRequest, runtime.Snapshot](ctx, c, procTake, &takeRequest{UserID: userID, Kind: kind, Keep: keep})
	if err != nil {
		return runtime.Snapshot{}, err
	}
	return *s, nil
}

// RestoreSnapshot puts a snapshot in the place of a home.
func (c *Client) RestoreSnapshot(ctx context.Context, userID int64, id string) error {
	_, err := call[snapshotRequest, empty](ctx, c, procRestore, &snapshotRequest{UserID: userID, ID: id})
	return err
}

// DeleteSnapshot removes a snapshot.
func (c *Client) DeleteSnapshot(ctx context.Context, userID int64, id string) error {
	_, err := call[snapshotRequest, empty](ctx, c, procDelete, &snapshotRequest{UserID: userID, ID: id})
	return err
}
