package pool

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool/pooltest"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// full is a pool with two places, whose instances ask for them and whose turns last until Finish.
func full(t *testing.T, change func(*Options)) *bench {
	t.Helper()
	b := start(t, func(o *Options) {
		o.MaxLiveSessions, o.CheckTimeout = 2, 10*time.Second // a loaded machine is no matter here
		if change != nil {
			change(o)
		}
	})
	b.rt.Granted()
	b.rt.OnStart(func(s *pooltest.Supervisor) { s.Hold(true) })
	return b
}

func (b *bench) prompt(t testing.TB, user int64, session string) {
	t.Helper()
	c := b.get(t, user).Client()
	_, err := c.Prompt(t.Context(), &protocol.PromptRequest{OpenRequest: protocol.OpenRequest{SessionID: session, Project: "p"}, ID: "p-" + session, Content: json.RawMessage(`"x"`)})
	if err != nil {
		t.Fatalf("prompt %s: %v", session, err)
	}
}

// states is the state of every session of every user, as the pool knows it.
func (b *bench) states() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]string{}
	for _, s := range b.slots {
		if s.inst == nil {
			continue
		}
		for id, w := range s.inst.sessions {
			out[id] = w.State
		}
	}
	return out
}

func (b *bench) eventually(t testing.TB, what string, want map[string]string) {
	t.Helper()
	pooltest.Poll(t, what, func() (bool, any) {
		got := b.states()
		for id, state := range want {
			if got[id] != state {
				return false, got
			}
		}
		return true, got
	})
}

func (b *bench) told(t testing.TB, user int64, session string, place int) {
	t.Helper()
	pooltest.Poll(t, fmt.Sprintf("place %d of %s", place, session), func() (bool, any) {
		got := b.rt.Supervisor(user).Told(session)
		return got == place, got
	})
}

const (
	running = protocol.StateRunning
	queued  = protocol.StateQueued
	ready   = protocol.StateReady
	dormant = protocol.StateDormant
)

// TestPlacesGoRound: of three users, the one with many sessions gets one place in each round, and all are told where
// they stand.
func TestPlacesGoRound(t *testing.T) {
	t.Parallel()
	b := full(t, nil)
	b.prompt(t, 1, "a1")
	b.prompt(t, 1, "a2")
	b.eventually(t, "two at work", map[string]string{"a1": running, "a2": running})
	for _, s := range []string{"a3", "a4", "a5"} {
		b.prompt(t, 1, s)
	}
	b.told(t, 1, "a5", 3)
	b.prompt(t, 2, "b1")
	b.told(t, 2, "b1", 2)
	b.prompt(t, 3, "c1")
	b.told(t, 3, "c1", 3)
	b.told(t, 1, "a3", 1)
	b.told(t, 1, "a4", 4)
	b.told(t, 1, "a5", 5)
	var order []string
	left := []string{"a1", "a2"}
	for range 5 {
		done := left[0]
		left = left[1:]
		b.rt.Supervisor(map[byte]int64{'a': 1, 'b': 2, 'c': 3}[done[0]]).Finish(done)
		b.eventuallyNot(t, done, running)
		pooltest.Poll(t, "the next", func() (bool, any) {
			got := b.states()
			for id, state := range got {
				if state == running && !slices.Contains(left, id) {
					left, order = append(left, id), append(order, id)
					return true, nil
				}
			}
			return false, got
		})
	}
	if want := []string{"a3", "b1", "c1", "a4", "a5"}; !slices.Equal(order, want) {
		t.Fatalf("served %v; want %v", order, want)
	}
	if f := b.Figures(); f.Waiting != 0 || f.Held != 2 || f.Waits != 7 {
		t.Fatalf("got %+v", f)
	}
}

// TestNeverMoreThanThereAre: whatever comes and ends, no more processes run than there are places.
func TestNeverMoreThanThereAre(t *testing.T) {
	t.Parallel()
	b := full(t, nil)
	for user := range int64(4) {
		for i := range 5 {
			b.prompt(t, user+1, fmt.Sprintf("%c%d", 'a'+rune(user), i))
		}
	}
	served := map[string]bool{}
	for len(served) < 20 {
		var at []string
		pooltest.Poll(t, "two at work", func() (bool, any) {
			got := b.states()
			at = nil
			for id, s := range got {
				if s == running {
					at = append(at, id)
				}
			}
			return len(at) >= min(2, 20-len(served)), got
		})
		held := 0
		for user := range int64(4) {
			for _, p := range b.rt.Supervisor(user + 1).Processes() {
				if p.Kind == protocol.KindClaude {
					held++
				}
			}
		}
		if held > 2 {
			t.Fatalf("%d processes", held)
		}
		served[at[0]] = true
		b.rt.Supervisor(int64(at[0][0]-'a') + 1).Finish(at[0])
		b.eventuallyNot(t, at[0], running)
	}
}

func (b *bench) eventuallyNot(t testing.TB, session, state string) {
	t.Helper()
	pooltest.Poll(t, session+" not "+state, func() (bool, any) { got := b.states()[session]; return got != state, got })
}

// TestIdleMakesRoom: before anybody waits, the process goes that was idle for longest, whoever's it is.
func TestIdleMakesRoom(t *testing.T) {
	t.Parallel()
	b := full(t, nil)
	b.prompt(t, 1, "a1")
	b.prompt(t, 2, "b1")
	b.eventually(t, "both at work", map[string]string{"a1": running, "b1": running})
	b.rt.Supervisor(1).Finish("a1")
	b.eventually(t, "one idle", map[string]string{"a1": ready})
	b.prompt(t, 3, "c1")
	b.eventually(t, "the third", map[string]string{"a1": dormant, "b1": running, "c1": running})
	if got := b.rt.Supervisor(3).Told("c1"); got > 1 {
		t.Errorf("it was told place %d", got)
	}
	b.evicted(t, "crowd", 1)
}

// TestAhead: a process that is only to be ready takes the place of an idle one, and is refused where all are at work;
// never used, it is the first to go.
func TestAhead(t *testing.T) {
	t.Parallel()
	b := full(t, nil)
	open := func(user int64, session string) error {
		_, err := b.get(t, user).Client().Open(t.Context(), &protocol.OpenRequest{SessionID: session, Project: "p"})
		return err
	}
	b.prompt(t, 1, "a1")
	b.eventually(t, "one at work", map[string]string{"a1": running})
	b.rt.Supervisor(1).Finish("a1")
	b.eventually(t, "it is idle", map[string]string{"a1": ready})
	for _, s := range []string{"b1", "b2"} {
		if err := open(2, s); err != nil {
			t.Fatal(err)
		}
	}
	b.eventually(t, "both ahead", map[string]string{"a1": dormant, "b1": ready, "b2": ready})
	b.prompt(t, 1, "a1x")
	b.eventually(t, "the work", map[string]string{"a1x": running})
	b.prompt(t, 2, "b3")
	b.eventually(t, "more work", map[string]string{"b3": running, "b1": dormant, "b2": dormant})
	if err := open(3, "c1"); fault.CodeOf(err) != fault.QuotaExceeded {
		t.Fatalf("got %v; want a refusal", err)
	}
}

// TestWhoWaitsForAPerson keeps a place for a while, and no longer than that while others want it.
func TestWhoWaitsForAPerson(t *testing.T) {
	t.Parallel()
	b := full(t, func(o *Options) { o.AnswerTimeout = 10 * time.Minute })
	b.prompt(t, 1, "a1")
	b.prompt(t, 1, "a2")
	b.eventually(t, "both at work", map[string]string{"a1": running, "a2": running})
	b.rt.Supervisor(1).SetState("a1", func(s *protocol.Session) { s.State = protocol.StateWaiting })
	b.eventually(t, "a question", map[string]string{"a1": protocol.StateWaiting})
	b.prompt(t, 2, "b1")
	b.told(t, 2, "b1", 1)
	b.clock.forward(9 * time.Minute)
	b.mu.Lock()
	b.arrangeLocked()
	b.mu.Unlock()
	if got := b.states(); got["a1"] != protocol.StateWaiting || got["b1"] != queued {
		t.Fatalf("too early: %v", got)
	}
	b.clock.forward(2 * time.Minute)
	b.rearrange()
	b.eventually(t, "the other's turn", map[string]string{"a1": dormant, "a2": running, "b1": running})
	b.evicted(t, "unanswered", 1)
}

// TestWhoOnlyHasTasks keeps a place for a while, and no longer than that while others want it.
func TestWhoOnlyHasTasks(t *testing.T) {
	t.Parallel()
	b := full(t, func(o *Options) { o.BackgroundTimeout, o.SessionIdleTimeout = 10*time.Minute, time.Minute })
	b.prompt(t, 1, "a1")
	b.prompt(t, 1, "a2")
	b.eventually(t, "both at work", map[string]string{"a1": running, "a2": running})
	sup := b.rt.Supervisor(1)
	sup.SetState("a1", func(s *protocol.Session) { s.State, s.Tasks = protocol.StateReady, 1 })
	b.eventually(t, "the end of its turn", map[string]string{"a1": ready})
	b.clock.forward(30 * time.Minute)
	b.sweep()
	b.arrange() // nobody waits: it stays
	b.clock.forward(-21 * time.Minute)
	sup.SetState("a1", func(s *protocol.Session) { s.LastSeq += 100 }) // what a task says is no work of the session's
	pooltest.Poll(t, "the task's events", func() (bool, any) {
		s, _ := b.get(t, 1).Session("a1")
		return s.LastSeq > 100, s.LastSeq
	})
	b.prompt(t, 2, "b1")
	b.told(t, 2, "b1", 1)
	b.arrange()
	if got := b.states(); got["a1"] != ready || got["b1"] != queued || len(b.Figures().Evictions) != 0 {
		t.Fatalf("too early: %v, %v", got, b.Figures().Evictions)
	}
	b.clock.forward(2 * time.Minute)
	b.rearrange()
	b.eventually(t, "the other's turn", map[string]string{"a1": dormant, "a2": running, "b1": running})
	b.evicted(t, "background", 1)
}

// TestItsEndIsKnownBeforeTheAnswer: a process that is ended has no tasks any more, and is idle for a moment. It counts
// once, for what it was ended for.
func TestItsEndIsKnownBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	w := &watched{Session: protocol.Session{ID: "a1", State: ready, Tasks: 1}}
	inst := p.newInstance(1, "i-1")
	inst.sessions, inst.dealt.told = map[string]*watched{"a1": w}, &protocol.Places{Held: []string{"a1"}}
	p.closeSessionLocked(inst, w, "background")
	req := p.requestLocked(inst)
	p.apply(inst, &protocol.Notice{Session: &protocol.Session{ID: "a1", State: ready}}, map[string]bool{}, true)
	p.closeSessionLocked(inst, w, "crowd")
	p.answered(inst, req, &protocol.PlaceResponse{Places: *inst.dealt.told})
	if got := p.figures.evictions; len(got) != 1 || got["background"] != 1 {
		t.Errorf("counted %v", got)
	}
	if again := p.requestLocked(inst); again != nil && len(again.Take) > 0 {
		t.Errorf("it is asked again: %+v", again)
	}
}

// TestAnAdoptedOneThatTellsNothing may hold as many places as its user may have: until it answers or is replaced,
// nobody else is given them.
func TestAnAdoptedOneThatTellsNothing(t *testing.T) {
	t.Parallel()
	b := full(t, nil)
	b.prompt(t, 1, "a1")
	b.prompt(t, 1, "a2")
	b.eventually(t, "both at work", map[string]string{"a1": running, "a2": running})
	b.Stop()
	unhang := b.rt.Supervisor(1).Hang()
	n := again(t, b, func(o *Options) {
		o.MaxLiveSessions, o.CheckTimeout, o.HealthInterval = 2, 250*time.Millisecond, time.Hour
	})
	n.prompt(t, 2, "b1")
	n.told(t, 2, "b1", 1)
	n.arrange()
	if got, f := n.states(), n.Figures(); got["b1"] != queued || f.Held < 2 {
		t.Fatalf("got %v, %d held; want no third process", got, f.Held)
	}
	unhang()
	pooltest.Poll(t, "its word", func() (bool, any) { f := n.Figures(); return f.Held == 2, f })
	n.mu.Lock()
	inst := n.slots[1].inst
	n.mu.Unlock()
	n.checked(inst, nil) // the next check, which is an hour away
	n.rt.Supervisor(1).Finish("a1")
	n.eventually(t, "the other's turn", map[string]string{"a2": running, "b1": running})
}

// evicted waits for the count of what was ended: it is of what the supervisors have agreed to.
func (b *bench) evicted(t *testing.T, why string, want int) {
	t.Helper()
	pooltest.Poll(t, "the count", func() (bool, any) { e := b.Figures().Evictions; return e[why] == want, e })
}

// arrange looks at the places once.
func (b *bench) arrange() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.arrangeLocked()
}

// TestLeavingTheLine: who goes makes the others come nearer.
func TestLeavingTheLine(t *testing.T) {
	t.Parallel()
	b := full(t, nil)
	for _, s := range []string{"a1", "a2", "a3", "a4"} {
		b.prompt(t, 1, s)
	}
	b.told(t, 1, "a4", 2)
	b.rt.Supervisor(1).Withdraw("a3")
	b.told(t, 1, "a4", 1)
	if err := b.Destroy(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	pooltest.Poll(t, "an empty line", func() (bool, any) { f := b.Figures(); return f.Waiting == 0 && f.Held == 0, f })
	b.prompt(t, 2, "b1")
	b.eventually(t, "room for another", map[string]string{"b1": running})
}

// TestTooManyWait: beyond the bound nothing is taken, of this user alone.
func TestTooManyWait(t *testing.T) {
	t.Parallel()
	b := full(t, func(o *Options) { o.MaxWaiting = 2 })
	for _, s := range []string{"a1", "a2", "a3", "a4"} {
		b.prompt(t, 1, s)
	}
	b.eventually(t, "the line", map[string]string{"a1": running, "a2": running, "a3": queued, "a4": queued})
	var f *fault.Error
	if _, err := b.Admit(1, "a5"); !errors.As(err, &f) || f.Code != fault.RateLimited || f.RetryAfter <= 0 {
		t.Fatalf("got %v; want rate_limited with a time", err)
	}
	for user, session := range map[int64]string{1: "a1", 2: "b1"} {
		done, err := b.Admit(user, session)
		if err != nil {
			t.Fatalf("%s: %v", session, err)
		}
		done()
	}
	done, err := b.Admit(1, "a4") // it waits already
	if err != nil {
		t.Fatal(err)
	}
	done()
	// What is on its way counts, so that many at once are not let through.
	one, err1 := b.Admit(2, "b1")
	two, err2 := b.Admit(2, "b2")
	if _, err := b.Admit(2, "b3"); err1 != nil || err2 != nil || fault.CodeOf(err) != fault.RateLimited {
		t.Fatalf("got %v, %v, %v", err1, err2, err)
	}
	one()
	two()
	if n := b.Figures().Refused; n != 2 {
		t.Errorf("%d refusals", n)
	}
}

// TestPlacesOutliveTheServer: what runs goes on without a server, and the next one counts it before it gives any.
func TestPlacesOutliveTheServer(t *testing.T) {
	t.Parallel()
	b := full(t, nil)
	b.prompt(t, 1, "a1")
	b.prompt(t, 2, "b1")
	b.eventually(t, "both at work", map[string]string{"a1": running, "b1": running})
	b.prompt(t, 3, "c1")
	b.told(t, 3, "c1", 1)
	b.prompt(t, 1, "a2")
	b.told(t, 1, "a2", 2)
	b.prompt(t, 1, "a3")
	b.told(t, 1, "a3", 3)
	b.prompt(t, 2, "b2")
	b.told(t, 2, "b2", 3)
	b.Stop()
	b.rt.Supervisor(1).Finish("a1") // in a crowd, so its process ends
	b.rt.Supervisor(2).Finish("b1")

	o := options(t, b.rt, b.owners, b.clock)
	o.MaxLiveSessions, o.CheckTimeout = 2, 10*time.Second
	next := &bench{Pool: New(o), rt: b.rt, owners: b.owners, clock: b.clock}
	t.Cleanup(next.Stop)
	if err := next.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	next.eventually(t, "the first in line", map[string]string{"c1": running, "a2": running, "b2": queued, "a3": queued})
	next.told(t, 2, "b2", 1)
	next.told(t, 1, "a3", 2)
	if f := next.Figures(); f.Held != 2 || f.Waiting != 2 {
		t.Fatalf("got %+v", f)
	}
}

// TestPlacesOfTheLost: an instance that dies gives its places back.
func TestPlacesOfTheLost(t *testing.T) {
	t.Parallel()
	b := full(t, nil)
	b.prompt(t, 1, "a1")
	b.prompt(t, 1, "a2")
	b.eventually(t, "both at work", map[string]string{"a1": running, "a2": running})
	b.prompt(t, 2, "b1")
	b.told(t, 2, "b1", 1)
	b.rt.Supervisor(1).Kill()
	b.eventually(t, "the next", map[string]string{"b1": running})
	st := b.until(t, 1, "the replacement", func(s Stats) bool { return s.Status == StatusActive && len(s.Health.Replacements) == 1 })
	if r := st.Health.Replacements[0]; r.Reason != whyEnded || time.Since(r.At) > time.Minute {
		t.Errorf("got %+v", r)
	}
	if n := b.Figures().Replacements["ended"]; n != 1 {
		t.Errorf("%d replacements", n)
	}
}
