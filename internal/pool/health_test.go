package pool

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/fault/words"
	"github.com/carrel-dev/carrel/internal/pool/pooltest"
	"github.com/carrel-dev/carrel/internal/quota"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

func TestAKilledSupervisorIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	// Checks are an hour apart: what notices is the broken stream.
	b := start(t, func(o *Options) { o.HealthInterval = time.Hour })
	old := b.get(t, 7)
	<-old.synced
	b.rt.Supervisor(7).Kill()
	st := b.until(t, 7, "the replacement", func(s Stats) bool { return s.ID != old.ID() && s.Status == StatusActive })
	if st.Health.Status != "healthy" || !strings.Contains(st.Health.Detail, "supervisor had ended") {
		t.Fatalf("got %+v; want healthy, and the reason", st.Health)
	}
	isTranslated(t, st.Health.Detail)
	if inst := b.get(t, 7); inst.ID() != st.ID || b.rt.Len() != 1 {
		t.Fatalf("get gives %s; want %s", inst.ID(), st.ID)
	}
}

// isTranslated: what a check found is shown to people, so nothing of it may be left in English.
func isTranslated(t *testing.T, detail string) {
	t.Helper()
	if said := words.Found(words.Chinese, detail); said == "" || regexp.MustCompile("[a-z]{3}").MatchString(strings.ReplaceAll(said, "Carrel", "")) {
		t.Errorf("in Chinese %q is %q: add to internal/fault/words/zh_foreign.go", detail, said)
	}
}

// TestFindings: those that the other tests here do not come by.
func TestFindings(t *testing.T) {
	p := &Pool{o: Options{CheckTimeout: 250 * time.Millisecond, Now: time.Now}}
	for _, detail := range []string{whyGone, whyEnded, p.replaced(whyVersion), whyAsked, whyNotEnded, p.explain(context.DeadlineExceeded), p.explain(errors.New("a cause")), p.explain(fault.New(fault.NotFound, "There is no such session."))} {
		isTranslated(t, detail)
	}
}

func TestAForgottenInstanceIsReplaced(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	old := b.get(t, 7)
	b.rt.Forget(old.ID())
	b.until(t, 7, "the replacement", func(s Stats) bool {
		return s.ID != old.ID() && s.Status == StatusActive && strings.Contains(s.Health.Detail, "processes were gone")
	})
}

func TestAHangingSupervisorIsReplacedAfterThreeChecks(t *testing.T) {
	t.Parallel()
	b := start(t, func(o *Options) { o.CheckTimeout = 250 * time.Millisecond })
	old := b.get(t, 7)
	var seen []int
	stop := b.Watch(func(c Change) {
		if c.Instance != nil && c.Instance.ID == old.ID() {
			seen = append(seen, c.Instance.Health.ConsecutiveFailures)
		}
	})
	release := b.rt.Supervisor(7).Hang()
	defer release()
	st := b.until(t, 7, "the replacement", func(s Stats) bool { return s.ID != old.ID() && s.Status == StatusActive })
	stop()
	if !strings.Contains(st.Health.Detail, "did not answer within") || st.Health.ConsecutiveFailures != 0 {
		t.Fatalf("got %+v", st.Health)
	}
	if len(seen) == 0 || seen[len(seen)-1] != failureThreshold {
		t.Fatalf("failures seen: %v; want them to rise to %d", seen, failureThreshold)
	}
}

func TestAShortHangIsForgiven(t *testing.T) {
	t.Parallel()
	b := start(t, func(o *Options) { o.CheckTimeout = 250 * time.Millisecond })
	inst := b.get(t, 7)
	release := b.rt.Supervisor(7).Hang()
	pooltest.Poll(t, "a failed check", func() (bool, any) { h := inst.Stats().Health; return h.ConsecutiveFailures > 0, h })
	release()
	st := b.until(t, 7, "a check that succeeds", func(s Stats) bool { return s.Health.ConsecutiveFailures == 0 })
	if st.ID != inst.ID() || st.Health.Detail != "" {
		t.Fatalf("got %+v; want the same instance, well again", st)
	}
}

// While the keeper is away nothing proves an instance dead but its silence,
// and nothing can be made or ended.
func TestTheKeeperIsAway(t *testing.T) {
	t.Parallel()
	b := start(t, func(o *Options) { o.HealthInterval = 10 * time.Millisecond })
	inst := b.get(t, 7)
	b.rt.Away(true)
	last := inst.Stats().Health.LastCheckAt
	pooltest.Poll(t, "a check without a keeper", func() (bool, any) {
		h := inst.Stats().Health
		return h.LastCheckAt.After(last) && h.ConsecutiveFailures == 0, h
	})
	if got := b.get(t, 7); got != inst {
		t.Fatal("a running instance is not given while the keeper is away")
	}
	if _, _, err := b.Get(t.Context(), 8); fault.CodeOf(err) != fault.RuntimeUnavailable {
		t.Fatalf("got %v; want runtime_unavailable", err)
	}
	b.rt.Supervisor(7).Kill() // cannot be proved
	b.until(t, 7, "the third failure", func(s Stats) bool { return s.Status == StatusUnhealthy || s.Status == StatusStopping })
	b.rt.Away(false)
	pooltest.Poll(t, "a new instance", func() (bool, any) {
		b.sweep() // what could not be ended
		inst2, _, err := b.Get(t.Context(), 7)
		return err == nil && inst2.ID() != inst.ID(), err
	})
}

// An instance that answers and lacks something is degraded, for as long as it does, and is told so to who watches.
func TestDegraded(t *testing.T) {
	for name, c := range map[string]struct {
		lacks func(*runtime.Usage)
		says  string
	}{
		"storage":                     {func(u *runtime.Usage) { u.StorageBytes = quota.Default().StorageBytes*96/100 + 1 }, "The storage is 96 % full."},
		"what the file system leaves": {func(u *runtime.Usage) { u.StorageBytes, u.StorageMost = 1<<30, 1<<30+1<<20 }, "The storage is 99 % full."},
		"inodes":                      {func(u *runtime.Usage) { u.Inodes = quota.Default().Inodes * 96 / 100 }, "96 % of the files"},
		"processes":                   {func(u *runtime.Usage) { u.PIDs = quota.Default().PIDs }, "100 % of the processes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t, nil)
			inst := b.get(t, 7)
			told := make(chan string, 1000)
			t.Cleanup(b.Watch(func(c Change) {
				if c.Instance != nil {
					told <- c.Instance.Health.Status
				}
			}))
			b.rt.SetUsage(func(u *runtime.Usage) { u.StorageBytes = quota.Default().StorageBytes * 94 / 100 })
			b.measured(t, inst)
			if h := inst.Stats().Health; h.Status != healthy || h.Detail != "" {
				t.Fatalf("got %+v below the bound", h)
			}
			b.rt.SetUsage(func(u *runtime.Usage) { *u = runtime.Usage{StorageBytes: 1}; c.lacks(u) })
			b.clock.forward(usageTTL)
			st := b.until(t, 7, "the lack", func(s Stats) bool { return s.Health.Status == degraded })
			if !strings.HasPrefix(st.Health.Detail, c.says) || st.Health.ConsecutiveFailures != 0 || st.Status != StatusActive {
				t.Fatalf("got %s %+v; want %q", st.Status, st.Health, c.says)
			}
			isTranslated(t, st.Health.Detail)
			if all := b.All(t.Context()); len(all) != 1 || all[0].Health.Status != degraded {
				t.Fatalf("the list has %+v", all)
			}
			if got := b.get(t, 7); got != inst {
				t.Fatal("it is not given any more")
			}
			b.rt.SetUsage(func(u *runtime.Usage) { *u = runtime.Usage{StorageBytes: 1, PIDs: 2, Inodes: 5} })
			b.clock.forward(usageTTL)
			st = b.until(t, 7, "its end", func(s Stats) bool { return s.Health.Status == healthy })
			if st.Health.Detail != "" || st.ID != inst.ID() || b.rt.Creates(7) != 1 {
				t.Fatalf("got %+v; want the same, well", st)
			}
			for _, want := range []string{degraded, healthy} {
				for got := ""; got != want; {
					select {
					case got = <-told:
					case <-time.After(10 * time.Second):
						t.Fatalf("nobody was told that it is %s", want)
					}
				}
			}
		})
	}
}

// measured waits for a fresh measurement and the check that follows it.
func (b *bench) measured(t *testing.T, inst *Instance) {
	t.Helper()
	b.clock.forward(usageTTL)
	b.until(t, inst.UserID(), "a measurement", func(s Stats) bool { return s.Usage.StorageBytes == quota.Default().StorageBytes*94/100 })
	last := inst.Stats().Health.LastCheckAt
	b.until(t, inst.UserID(), "a check", func(s Stats) bool { return s.Health.LastCheckAt.After(last) })
}

// A process that was ended for its memory is named for a while, on an instance that is well.
func TestOutOfMemoryIsTold(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	inst := b.get(t, 7)
	b.until(t, 7, "a measurement", func(s Stats) bool { return s.Usage.MemoryBytes > 0 })
	b.rt.SetUsage(func(u *runtime.Usage) { u.OOMKills = 1 })
	b.clock.forward(usageTTL)
	st := b.until(t, 7, "the note", func(s Stats) bool { return s.Health.Detail != "" })
	if st.Health.Status != healthy || !strings.Contains(st.Health.Detail, "memory of 2048 MiB was used up") {
		t.Fatalf("got %+v", st.Health)
	}
	isTranslated(t, st.Health.Detail)
	b.clock.forward(oomMemory + time.Second)
	st = b.until(t, 7, "its end", func(s Stats) bool { return s.Health.Detail == "" })
	if st.Health.Status != healthy || st.ID != inst.ID() {
		t.Fatalf("got %+v", st.Health)
	}
}

func TestReplacementsThatRepeatAreDelayed(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	first := b.get(t, 7)
	b.rt.Supervisor(7).Kill()
	second := b.until(t, 7, "the first replacement", func(s Stats) bool { return s.ID != first.ID() && s.Status == StatusActive })
	b.rt.Supervisor(7).Kill()
	third := b.until(t, 7, "the second replacement", func(s Stats) bool { return s.ID != second.ID && s.Status != StatusStopping })
	if third.Status != StatusStarting || third.Health.Detail == "" {
		t.Fatalf("got %+v; want one that waits to be started, with the reason", third)
	}
	// From the third on the wait is longer than a Get sits through.
	b.mu.Lock()
	j := b.slots[7].job
	j.notBefore = b.now().Add(longDelay + time.Minute)
	b.mu.Unlock()
	_, _, err := b.Get(t.Context(), 7)
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.InstanceUnavailable || f.RetryAfter < time.Minute {
		t.Fatalf("got %v; want instance_unavailable with the time to wait", err)
	}
	if err := b.Destroy(t.Context(), 7); err != nil {
		t.Fatalf("a destroy during the wait: %v", err)
	}
	if _, err := b.Look(t.Context(), 7); !errors.Is(err, fault.NotFoundError) {
		t.Fatalf("got %v; want not_found", err)
	}
}

func TestAReplacementIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	old := b.get(t, 7)
	failed := make(chan struct{})
	b.rt.OnCreate(func(context.Context, runtime.Spec) error {
		b.rt.OnCreate(nil)
		close(failed)
		return errors.New("no luck")
	})
	b.rt.Supervisor(7).Kill()
	<-failed
	b.until(t, 7, "the replacement", func(s Stats) bool { return s.ID != old.ID() && s.Status == StatusActive })
}

func TestAStrayIsEnded(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	// A creation that nobody waited for any more was finished all the same.
	if _, err := b.rt.Create(t.Context(), runtime.Spec{ID: newID(), UserID: 7, Name: "user7"}); err != nil {
		t.Fatal(err)
	}
	b.get(t, 7)
	if n := b.rt.Len(); n != 1 {
		t.Fatalf("%d instances; want 1", n)
	}
}

func TestProcesses(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	inst := b.get(t, 7)
	before := inst.Stats().LastActivityAt
	sup := b.rt.Supervisor(7)
	pid := sup.StartProcess(protocol.KindTerminal, "")
	st := b.until(t, 7, "the process", func(s Stats) bool { return s.ActiveProcesses == 1 })
	if len(st.Processes) != 1 || st.Processes[0].PID != pid || !st.LastActivityAt.After(before) {
		t.Fatalf("got %+v", st)
	}
	sup.EndProcess(pid)
	st = b.until(t, 7, "its end", func(s Stats) bool { return s.ActiveProcesses == 0 })
	if st.Processes == nil {
		t.Fatal("no processes must be [], not null")
	}
}
