package session

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool/pooltest"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// rows counts a session's rows, the hidden ones too.
func (b *bench) rows(t testing.TB, id string) int64 {
	t.Helper()
	n, err := b.db.Bun().NewSelect().Table("sessions").Where("id = ?", id).Count(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// called waits until a supervisor was asked something.
func called(t testing.TB, s *pooltest.Supervisor, procedure string) {
	t.Helper()
	pooltest.Poll(t, "a call of "+procedure, func() (bool, any) { return slices.Contains(s.Calls(), procedure), s.Calls() })
}

func (b *bench) wantNoSession(t testing.TB, id string) {
	t.Helper()
	if _, err := b.Get(t.Context(), ana.ID, id); !errors.Is(err, fault.NotFoundError) {
		t.Errorf("get: %v", err)
	}
	if all, _, err := b.List(t.Context(), ana.ID, "", 0, ""); err != nil || len(all) != 0 {
		t.Errorf("list: %+v, %v", all, err)
	}
	if _, _, err := b.Prompt(t.Context(), ana, id, Prompt{ID: "late", Content: json.RawMessage(`"x"`)}); !errors.Is(err, fault.NotFoundError) {
		t.Errorf("prompt: %v", err)
	}
	if err := b.Open(t.Context(), ana.ID, id); !errors.Is(err, fault.NotFoundError) {
		t.Errorf("open: %v", err)
	}
}

// TestDeleteOfANewSession: the supervisor is asked, whatever has been heard of it by now. While it is, nobody finds the
// session any more.
func TestDeleteOfANewSession(t *testing.T) {
	t.Parallel()
	b := start(t)
	ss := b.create(t, ana)
	sup := b.rt.Supervisor(ana.ID)
	release := sup.Hang()
	done := make(chan error, 1)
	go func() { done <- b.Delete(context.Background(), ana.ID, ss.ID) }()
	called(t, sup, protocol.Delete)
	b.wantNoSession(t, ss.ID)
	release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := b.rows(t, ss.ID); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	if err := b.Delete(t.Context(), ana.ID, ss.ID); !errors.Is(err, fault.NotFoundError) {
		t.Errorf("again: %v", err)
	}
}

// TestDeleteWhileReplaced: a prompt and a deletion are at a supervisor that is killed. The next one knows of neither,
// and is asked for the deletion alone.
func TestDeleteWhileReplaced(t *testing.T) {
	t.Parallel()
	b := start(t)
	ss := b.create(t, ana)
	sup := b.rt.Supervisor(ana.ID)
	defer sup.Hang()()
	prompted, deleted := make(chan error, 1), make(chan error, 1)
	go func() {
		_, _, err := b.Prompt(context.Background(), ana, ss.ID, Prompt{ID: "p", Content: json.RawMessage(`"x"`)})
		prompted <- err
	}()
	called(t, sup, protocol.Prompt)
	go func() { deleted <- b.Delete(context.Background(), ana.ID, ss.ID) }()
	called(t, sup, protocol.Delete)
	sup.Kill()
	// Who was told by the one that died that it dies is not told more; the deletion is finished all the same.
	if err := <-deleted; err != nil && fault.CodeOf(err) != fault.InstanceUnavailable {
		t.Errorf("delete: %v", err)
	}
	if err := <-prompted; !errors.Is(err, fault.NotFoundError) && fault.CodeOf(err) != fault.InstanceUnavailable {
		t.Errorf("prompt: %v", err)
	}
	b.wantNoSession(t, ss.ID)
	pooltest.Poll(t, "the end of the deletion", func() (bool, any) { return b.rows(t, ss.ID) == 0, nil })
	if j := b.rt.Volume(ana.ID).Journal(ss.ID); len(j) != 0 {
		t.Errorf("left: %v", j)
	}
}

// TestDeleteThatIsCutShort is finished by who asks again, by the next server, and by the next instance.
func TestDeleteThatIsCutShort(t *testing.T) {
	t.Parallel()
	b := start(t)
	var ids []string
	for range 2 {
		ss := b.create(t, ana)
		b.prompt(t, ana, ss.ID, "secret")
		ids = append(ids, ss.ID)
	}
	sup := b.rt.Supervisor(ana.ID)
	release := sup.Hang()
	for _, id := range ids {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Delete(ctx, ana.ID, id) }()
		pooltest.Poll(t, "its begin", func() (bool, any) {
			_, err := b.Get(t.Context(), ana.ID, id)
			return errors.Is(err, fault.NotFoundError), err
		})
		cancel()
		if err := <-done; err == nil {
			t.Error("a deletion that was cut short says that it is done")
		}
	}
	b.Stop()
	b.pool.Stop()
	release()
	b.startServer(t)
	if err := b.Delete(t.Context(), ana.ID, ids[0]); err != nil && !errors.Is(err, fault.NotFoundError) { // it may have been finished
		t.Errorf("again: %v", err)
	}
	for _, id := range ids {
		pooltest.Poll(t, "the end of the deletion", func() (bool, any) { return b.rows(t, id) == 0, nil })
		if j := b.rt.Volume(ana.ID).Journal(id); len(j) != 0 {
			t.Errorf("the journal is left: %v", j)
		}
	}
	b.wantNoSession(t, ids[1])

	// Without an instance there is nobody to ask, nor anything known that would need one.
	ss := b.create(t, ana)
	if err := b.pool.Destroy(t.Context(), ana.ID); err != nil {
		t.Fatal(err)
	}
	made := b.rt.Creates(ana.ID)
	if err := b.Delete(t.Context(), ana.ID, ss.ID); err != nil {
		t.Fatal(err)
	}
	b.wantNoSession(t, ss.ID)
	if b.rt.Creates(ana.ID) != made {
		t.Error("an instance was made for a session in which nothing was said")
	}
	b.create(t, ana) // makes one
	pooltest.Poll(t, "the end of the deletion", func() (bool, any) { return b.rows(t, ss.ID) == 0, nil })
}

// TestDeletionThatFails is tried less and less often, and from the beginning once one has succeeded.
func TestDeletionThatFails(t *testing.T) {
	t.Parallel()
	b := start(t)
	pauses, on := make(chan time.Duration), make(chan struct{})
	b.Stop()
	b.Service = New(Options{DB: b.db.Bun(), Pool: b.pool, Log: b.log})
	b.rest = func(ctx context.Context, d time.Duration) error {
		select {
		case pauses <- d:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		select {
		case <-on:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	for round := range 2 {
		ss := b.create(t, ana)
		sup := b.rt.Supervisor(ana.ID)
		sup.Keep(fault.New(fault.QuotaExceeded, "The disk is full."))
		if err := b.Delete(t.Context(), ana.ID, ss.ID); err == nil {
			t.Fatal("a deletion that failed says that it is done")
		}
		want := []time.Duration{2, 4, 8, 16, 32, 64, 128, 256, 300, 300}
		for i, w := range want {
			if got := <-pauses; got != w*time.Second {
				t.Errorf("round %d, pause %d is %v, want %ds", round, i, got, w)
			}
			if i == len(want)-1 {
				sup.Keep(nil)
			}
			on <- struct{}{}
		}
		pooltest.Poll(t, "the end of the deletion", func() (bool, any) { return b.rows(t, ss.ID) == 0, nil })
	}
}

// TestDeleteDuringAScan: the scan has seen the transcript, and does not bring the session back.
func TestDeleteDuringAScan(t *testing.T) {
	t.Parallel()
	b := start(t)
	ss := b.create(t, ana)
	_, scanned := b.scanDue(ana.ID)
	done := make(chan error, 1)
	go func() { done <- b.Delete(context.Background(), ana.ID, ss.ID) }()
	called(t, b.rt.Supervisor(ana.ID), protocol.Delete)
	if err := b.takeOver(t.Context(), ana.ID, []protocol.Transcript{{SessionID: ss.ID, Project: "demo"}}); err != nil {
		t.Fatal(err)
	}
	scanned()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := b.rows(t, ss.ID); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	b.wantNoSession(t, ss.ID)
}
