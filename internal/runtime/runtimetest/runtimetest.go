// Package runtimetest is the suite that every maker of instances must pass:
// one subtest for each promise of runtime.Runtime.
package runtimetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/supervisor/client"
)

// NewID makes an instance id.
func NewID() string { return "i-" + strings.ToLower(rand.Text()[:12]) }

// Spec is a small instance of a user.
func Spec(userID int64) runtime.Spec {
	return runtime.Spec{
		ID: NewID(), UserID: userID, Name: fmt.Sprintf("person%d", userID), Language: "en", LiveSessions: 3,
		Limits: runtime.Limits{CPU: 2, MemoryBytes: 1 << 30, PIDs: 256, StorageBytes: 256 << 20, Inodes: 20_000},
	}
}

// Run runs the suite. open gives a Runtime with folders of its own and a
// second one on the same folders, as after a restart of the keeper.
func Run(t *testing.T, open func(testing.TB) (first, second runtime.Runtime)) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	rt, again := open(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		handles, err := rt.List(ctx)
		if err != nil {
			t.Errorf("list at the end: %v", err)
		}
		for _, h := range handles {
			if err := rt.Destroy(ctx, h.Spec.ID); err != nil {
				t.Errorf("destroy %s at the end: %v", h.Spec.ID, err)
			}
		}
	})
	create := func(t *testing.T, userID int64) runtime.Handle {
		t.Helper()
		h, err := rt.Create(ctx, Spec(userID))
		if err != nil {
			t.Fatalf("create: %v", err)
		}
		return h
	}
	dial := func(t *testing.T, id string) *client.Client {
		t.Helper()
		c := client.New(func(ctx context.Context) (net.Conn, error) { return rt.Dial(ctx, id) })
		t.Cleanup(c.Close)
		return c
	}

	t.Run("a created instance answers", func(t *testing.T) {
		h := create(t, 1)
		p, err := dial(t, h.Spec.ID).Ping(ctx)
		if err != nil || p.InstanceID != h.Spec.ID {
			t.Fatalf("ping: %+v, %v; want %s", p, err, h.Spec.ID)
		}
		if fi, err := os.Stat(h.Workspace); err != nil || !fi.IsDir() || !strings.HasSuffix(h.Workspace, "workspaces/user-1") {
			t.Errorf("workspace %s: %v, %v; want a folder", h.Workspace, fi, err)
		}
		u, err := rt.Usage(ctx, h.Spec.ID)
		if err != nil || u.PIDs < 1 || u.MemoryBytes <= 0 || u.StorageBytes <= 0 || u.Inodes <= 0 {
			t.Errorf("usage %+v, %v; want every field above 0", u, err)
		}
	})
	t.Run("a user has one instance", func(t *testing.T) {
		create(t, 2)
		if _, err := rt.Create(ctx, Spec(2)); !errors.Is(err, fault.ConflictError) {
			t.Fatalf("second create: %v; want conflict", err)
		}
	})
	t.Run("many creations at once make one", func(t *testing.T) {
		var wg sync.WaitGroup
		made := make(chan runtime.Handle, 8)
		for range 8 {
			wg.Go(func() {
				if h, err := rt.Create(ctx, Spec(3)); err == nil {
					made <- h
				} else if !errors.Is(err, fault.ConflictError) {
					t.Errorf("create: %v; want conflict", err)
				}
			})
		}
		wg.Wait()
		if len(made) != 1 {
			t.Fatalf("%d creations succeeded; want 1", len(made))
		}
	})
	t.Run("a second runtime finds and removes what the first made", func(t *testing.T) {
		h := create(t, 4)
		handles, err := again.List(ctx)
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		found := false
		for _, g := range handles {
			found = found || g == h
		}
		if !found {
			t.Fatalf("list %+v; want %+v in it", handles, h)
		}
		if err := again.Destroy(ctx, h.Spec.ID); err != nil {
			t.Fatalf("destroy: %v", err)
		}
	})
	t.Run("destroy leaves nothing but the files", func(t *testing.T) {
		h := create(t, 5)
		c := dial(t, h.Spec.ID)
		if _, err := c.Ping(ctx); err != nil {
			t.Fatalf("ping: %v", err)
		}
		if err := rt.Destroy(ctx, h.Spec.ID); err != nil {
			t.Fatalf("destroy: %v", err)
		}
		if _, err := rt.Dial(ctx, h.Spec.ID); err == nil {
			t.Error("the supervisor can still be dialled")
		}
		for what, err := range map[string]error{
			"destroy": rt.Destroy(ctx, h.Spec.ID),
			"usage":   func() error { _, err := rt.Usage(ctx, h.Spec.ID); return err }(),
			"resize":  rt.Resize(ctx, h.Spec.ID, h.Spec.Limits),
		} {
			if !errors.Is(err, fault.NotFoundError) {
				t.Errorf("%s of what is gone: %v; want not_found", what, err)
			}
		}
	})
	t.Run("resize is kept", func(t *testing.T) {
		h := create(t, 6)
		l := h.Spec.Limits
		l.MemoryBytes, l.StorageBytes, l.PIDs = l.MemoryBytes+64<<20, l.StorageBytes+64<<20, l.PIDs+10
		if err := rt.Resize(ctx, h.Spec.ID, l); err != nil {
			t.Fatalf("resize: %v", err)
		}
		handles, err := again.List(ctx)
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		for _, g := range handles {
			if g.Spec.ID == h.Spec.ID && g.Spec.Limits != l {
				t.Errorf("limits %+v; want %+v", g.Spec.Limits, l)
			}
		}
	})
	t.Run("what is not an instance's name is refused", func(t *testing.T) {
		for _, change := range []func(*runtime.Spec){
			func(s *runtime.Spec) { s.ID = "../../etc" },
			func(s *runtime.Spec) { s.ID = "" },
			func(s *runtime.Spec) { s.UserID = 0 },
			func(s *runtime.Spec) { s.UserID = -1 },
			func(s *runtime.Spec) { s.UserID = 1 << 60 },
			func(s *runtime.Spec) { s.Name = "a/b" },
			func(s *runtime.Spec) { s.Name = "root" },
			func(s *runtime.Spec) { s.Name = "x\ny" },
			func(s *runtime.Spec) { s.Limits.MemoryBytes = 0 },
			func(s *runtime.Spec) { s.Limits.StorageBytes = -1 },
			func(s *runtime.Spec) { s.Language = "../x" },
		} {
			s := Spec(7)
			change(&s)
			if _, err := rt.Create(ctx, s); fault.CodeOf(err) != fault.Invalid {
				t.Errorf("create %+v: %v; want invalid", s, err)
			}
		}
		if err := rt.Destroy(ctx, "../instances"); !errors.Is(err, fault.NotFoundError) {
			t.Errorf("destroy of a path: %v; want not_found", err)
		}
	})
	t.Run("files outlive the instance and go with the volume", func(t *testing.T) {
		h := create(t, 8)
		if err := rt.DeleteVolume(ctx, 8); !errors.Is(err, fault.ConflictError) {
			t.Errorf("delete the volume in use: %v; want conflict", err)
		}
		if err := rt.Destroy(ctx, h.Spec.ID); err != nil {
			t.Fatalf("destroy: %v", err)
		}
		if err := rt.DeleteVolume(ctx, 8); err != nil {
			t.Fatalf("delete volume: %v", err)
		}
		if _, err := os.Lstat(h.Workspace); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("workspace after its volume: %v; want none", err)
		}
	})
}
