package pool

import (
	"context"
	"errors"
	"testing"

	"github.com/carrel-dev/carrel/internal/fault"
)

// TestOfflineIsNotDisturbed: who asks for the instance meanwhile waits, and has
// a new one afterwards.
func TestOfflineIsNotDisturbed(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	old := b.get(t, 7)
	began, finish := make(chan struct{}), make(chan struct{})
	failed := errors.New("it failed")
	offline, destroyed, got := make(chan error, 1), make(chan error, 1), make(chan *Instance, 1)
	go func() {
		offline <- b.Offline(t.Context(), 7, func(context.Context) error {
			close(began)
			<-finish
			if b.rt.Len() != 0 {
				t.Error("there is an instance meanwhile")
			}
			return failed
		})
	}()
	<-began
	asked := make(chan struct{}, 2)
	go func() {
		asked <- struct{}{}
		destroyed <- b.Destroy(t.Context(), 7)
	}()
	go func() {
		asked <- struct{}{}
		inst, _, err := b.Get(t.Context(), 7)
		if err != nil {
			t.Error(err)
		}
		got <- inst
	}()
	<-asked
	<-asked
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := b.Get(gone, 7); !errors.Is(err, context.Canceled) { // it waits
		t.Errorf("who asks meanwhile: %v", err)
	}
	close(finish)
	if err := <-offline; !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	if err := <-destroyed; err != nil && !errors.Is(err, fault.NotFoundError) {
		t.Errorf("another has the error of what was done: %v", err)
	}
	if inst := <-got; inst == nil || inst == old {
		t.Error("there is no new instance")
	}
}

// TestOfflineEndsWithTheServer: nothing outlives the pool.
func TestOfflineEndsWithTheServer(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	began := make(chan struct{})
	offline := make(chan error, 1)
	go func() {
		offline <- b.Offline(t.Context(), 7, func(ctx context.Context) error {
			close(began)
			<-ctx.Done()
			return context.Cause(ctx)
		})
	}()
	<-began
	b.Stop()
	if err := <-offline; !errors.Is(err, ErrStopping) {
		t.Errorf("got %v", err)
	}
	if err := b.Offline(t.Context(), 7, nil); fault.CodeOf(err) != fault.InstanceUnavailable {
		t.Errorf("after that: %v", err)
	}
}
