package pool

import (
	"strings"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/pool/pooltest"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// upgraded is a second server, of version "new", on an instance of user 7's that a server of version "old" has made
// and that prepare has put to work.
func upgraded(t *testing.T, prepare func(*pooltest.Supervisor)) (n *bench, records *memoryRecords, before Stats) {
	t.Helper()
	records = &memoryRecords{all: map[int64]Record{}}
	b := start(t, func(o *Options) { o.Records, o.Version = records, "old" })
	b.rt.Granted()
	b.rt.Version("old")
	before = b.get(t, 7).Stats()
	prepare(b.rt.Supervisor(7))
	b.Stop()
	b.rt.Version("new")
	n = again(t, b, func(o *Options) { o.Records, o.Version = records, "new" })
	return n, records, before
}

// later lets the time pass in which nobody touches the instance, and the sweep look.
func (b *bench) later() {
	b.clock.forward(idleAfter + time.Second)
	b.sweep()
}

func (b *bench) renewed() int { return b.Figures().Replacements["version"] }

func TestAnotherVersionIsReplacedOnceItIsIdle(t *testing.T) {
	t.Parallel()
	b, records, before := upgraded(t, func(s *pooltest.Supervisor) {
		s.SetState("s", func(s *protocol.Session) { s.State = protocol.StateRunning })
		s.StartProcess(protocol.KindClaude, "s")
	})
	old := b.rt.Supervisor(7)
	b.sweep()
	for range 3 { // while a turn runs, however long, it is left alone and spoken to
		b.later()
	}
	if st := b.get(t, 7).Stats(); b.rt.Supervisor(7) != old || st.Status != StatusActive || b.renewed() != 0 {
		t.Fatalf("replaced at work: %+v", st)
	}
	old.SetState("s", func(s *protocol.Session) { s.State = protocol.StateReady })
	inst, _ := b.Current(7)
	pooltest.Poll(t, "the end of the turn", func() (bool, any) { s, _ := inst.Session("s"); return s.State == protocol.StateReady, s })
	b.later()
	pooltest.Poll(t, "the end of the idle process", func() (bool, any) { return len(old.Processes()) == 0, old.Processes() })
	pooltest.Poll(t, "the news of it", func() (bool, any) { st := inst.Stats(); return st.ActiveProcesses == 0, st })
	b.evicted(t, "version", 1) // the instance must not go before it has answered
	b.later()
	st := b.until(t, 7, "the replacement", func(s Stats) bool { return b.rt.Supervisor(7) != old && s.Status == StatusActive })
	if st.ID != before.ID || !st.CreatedAt.Equal(before.CreatedAt) || st.Health.Status != healthy ||
		!strings.Contains(st.Health.Detail, "another version") || len(st.Health.Replacements) != 1 || !strings.Contains(st.Health.Replacements[0].Reason, "another version") {
		t.Fatalf("got %+v; want the same instance, healthy, and the reason", st)
	}
	if now, created, err := b.Get(t.Context(), 7); err != nil || created || now.ID() != before.ID {
		t.Fatalf("get: %v, created %v, %v", now, created, err)
	}
	if f := b.Figures(); f.Replacements["version"] != 1 || f.Evictions["instance_version"] != 0 {
		t.Fatalf("counted %+v", f)
	}
	if records.len() != 1 {
		t.Fatalf("%d records; want one, from which the next server knows since when it is theirs", records.len())
	}
	for range 3 {
		b.later()
	}
	if b.renewed() != 1 || b.rt.Creates(7) != 2 {
		t.Fatalf("replaced %d times, made %d times; want it once", b.renewed(), b.rt.Creates(7))
	}
}

// What is at work besides turns, and what only looks idle.
func TestAnotherVersionIsLeftAlone(t *testing.T) {
	for name, prepare := range map[string]func(*pooltest.Supervisor){
		"a terminal": func(s *pooltest.Supervisor) { s.StartProcess(protocol.KindTerminal, "") },
		"a command":  func(s *pooltest.Supervisor) { s.StartProcess(protocol.KindCommand, "") },
		"a question": func(s *pooltest.Supervisor) {
			s.SetState("s", func(s *protocol.Session) { s.State = protocol.StateWaiting })
			s.StartProcess(protocol.KindClaude, "s")
		},
		"a prompt in line": func(s *pooltest.Supervisor) {
			s.SetState("s", func(s *protocol.Session) { s.State = protocol.StateQueued })
		},
		"a task in the background": func(s *pooltest.Supervisor) {
			s.SetState("s", func(s *protocol.Session) { s.State, s.Tasks = protocol.StateReady, 1 })
			s.StartProcess(protocol.KindClaude, "s")
		},
		"a turn beside an idle process": func(s *pooltest.Supervisor) {
			s.SetState("s", func(s *protocol.Session) { s.State = protocol.StateReady })
			s.StartProcess(protocol.KindClaude, "s")
			s.SetState("t", func(s *protocol.Session) { s.State = protocol.StateRunning })
			s.StartProcess(protocol.KindClaude, "t")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, _, _ := upgraded(t, prepare)
			sup := b.rt.Supervisor(7)
			n := len(sup.Processes())
			for range 3 {
				b.later()
			}
			if st, err := b.Look(t.Context(), 7); err != nil || b.rt.Supervisor(7) != sup || len(sup.Processes()) != n || b.renewed() != 0 || st.Status == StatusStopping {
				t.Fatalf("got %+v, %v; want it left alone", st, err)
			}
		})
	}
}

// A person who comes back in time keeps what there is.
func TestATouchPutsTheReplacementOff(t *testing.T) {
	t.Parallel()
	b, _, _ := upgraded(t, func(*pooltest.Supervisor) {})
	old := b.rt.Supervisor(7)
	b.clock.forward(idleAfter - 5*time.Second)
	b.get(t, 7)
	b.clock.forward(10 * time.Second)
	b.sweep()
	if b.renewed() != 0 {
		t.Fatal("it was replaced while its person was there")
	}
	inst, ok := b.Current(7)
	if !ok {
		t.Fatal("it is gone")
	}
	release := inst.Use()
	b.later()
	if b.renewed() != 0 {
		t.Fatal("it was replaced while something was fetched from it")
	}
	release()
	b.later()
	b.until(t, 7, "the replacement", func(s Stats) bool { return b.rt.Supervisor(7) != old && s.Status == StatusActive })
}

// An instance whose supervisor calls itself something else for ever is made anew once by each server, not again and
// again.
func TestAVersionThatStaysAnotherIsNoLoop(t *testing.T) {
	t.Parallel()
	b, _, _ := upgraded(t, func(*pooltest.Supervisor) {})
	b.rt.Version("odd")
	b.later()
	b.until(t, 7, "the replacement", func(s Stats) bool { return b.rt.Creates(7) == 2 && s.Status == StatusActive })
	inst, _ := b.Current(7)
	pooltest.Poll(t, "that it says its version", func() (bool, any) {
		b.sweep()
		b.mu.Lock()
		defer b.mu.Unlock()
		return inst.version == "odd", inst.version
	})
	for range 3 {
		b.clock.forward(b.quiet() + time.Second)
		b.sweep()
	}
	if b.renewed() != 1 || b.rt.Creates(7) != 2 {
		t.Fatalf("replaced %d times, made %d times; want once more than at first", b.renewed(), b.rt.Creates(7))
	}
}

func TestTheSameVersionIsKept(t *testing.T) {
	t.Parallel()
	b := start(t, func(o *Options) { o.Version = "dev" })
	b.rt.Version("dev")
	b.get(t, 7)
	b.Stop()
	n := again(t, b, func(o *Options) { o.Version = "dev" })
	for range 3 {
		n.later()
	}
	if b.rt.Creates(7) != 1 || n.renewed() != 0 {
		t.Fatalf("made %d times, replaced %d times", b.rt.Creates(7), n.renewed())
	}
}

// One that cannot be woken stays hibernated, and the next touch wakes it.
func TestAReplacementOfAnotherVersionThatFails(t *testing.T) {
	t.Parallel()
	b, _, before := upgraded(t, func(*pooltest.Supervisor) {})
	o, _ := b.owners.Owner(t.Context(), 7)
	o.Active = false
	b.owners.set(o)
	b.later()
	b.until(t, 7, "hibernation", func(s Stats) bool { return s.Status == StatusHibernated })
	o.Active = true
	b.owners.set(o)
	pooltest.Poll(t, "its waking", func() (bool, any) {
		inst, _, err := b.Get(t.Context(), 7)
		return err == nil && inst.ID() == before.ID, err
	})
}

// Who deletes it meanwhile has it deleted.
func TestDestroyDuringAReplacement(t *testing.T) {
	t.Parallel()
	b, records, _ := upgraded(t, func(*pooltest.Supervisor) {})
	b.later()
	if err := b.Destroy(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Look(t.Context(), 7); err == nil || records.len() != 0 || b.rt.Len() != 0 {
		t.Fatalf("got %v, %d records, %d instances; want nothing left", err, records.len(), b.rt.Len())
	}
}
