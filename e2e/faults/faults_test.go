// Package faults shows that nothing is ever lost. It drives the shipped program
// from outside, with several users who have the real CLI at work, breaks one
// thing in each round, and holds what every client was told against what must
// be true: each event once and in order, each prompt answered once, nobody
// else disturbed, nothing left in the end.
//
// What is done in a round follows from -seed and its number; when exactly it
// hits is counted in events. `go test ./e2e/faults -seed N -first R -rounds 1`
// does one round again.
package faults

import (
	"errors"
	"flag"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/e2e/carrel"
	"github.com/carrel-dev/carrel/internal/scriptedmodel"
)

var (
	seedFlag   = flag.Uint64("seed", 0, "the seed of the fault test; 0 takes one from the clock")
	firstFlag  = flag.Int("first", 0, "the first round")
	roundsFlag = flag.Int("rounds", len(allFaults), "how many rounds")
	usersFlag  = flag.Int("users", 3, "how many users")
)

const (
	answerWithin = 90 * time.Second // from a fault to the end of all that was asked for, on a machine that others load
	roundsADesk  = 6                // then each user begins a new session
	giveUpAfter  = 4                // rounds that failed
)

// house is one Carrel with its users.
type house struct {
	t       *testing.T
	server  *carrel.Server
	model   *httptest.Server
	people  []*carrel.Person
	desks   []*desk
	figures *figures
	last    round // before the one that is played
}

func TestFaults(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	t.Logf("seed %d", seed)
	h := open(t, *usersFlag)
	began, failed := time.Now(), 0
	for n := *firstFlag; n < *firstFlag+*roundsFlag; n++ {
		if (n-*firstFlag)%roundsADesk == 0 {
			h.sitDown(fmt.Sprint("round ", n))
		}
		r := plan(seed, n, len(h.people))
		begin := time.Now()
		if !h.play(seed, r) {
			if failed++; failed == giveUpAfter {
				t.Errorf("%d rounds failed; the rest is not tried", failed)
				break
			}
			h.sitDown(fmt.Sprint("after round ", n))
		}
		t.Logf("round %d: %s, %v", n, r.name(), time.Since(begin).Round(10*time.Millisecond))
	}
	h.standUp()
	t.Logf("seed %d: %s in %v", seed, h.figures, time.Since(began).Round(time.Second))
}

// open starts a Carrel in front of a scripted model of ours, which counts.
func open(t *testing.T, users int) *house {
	h := &house{t: t, figures: newFigures()}
	model := scriptedmodel.New(scriptedmodel.Options{Answered: h.figures.answered})
	h.model = httptest.NewServer(model)
	t.Cleanup(func() { model.Close(); h.model.Close() })
	h.server = carrel.Start(t, "CARREL_GATEWAY_BASE_URL="+h.model.URL, "CARREL_GATEWAY_API_KEY=faults", "CARREL_QUOTA_STORAGE_BYTES=268435456",
		"CARREL_QUOTA_CPU=2", "CARREL_POOL_HEALTH_INTERVAL=1s")
	admin := h.server.Setup("ada")
	for u := range users {
		p := admin
		if u > 0 {
			p = h.server.Add(admin, fmt.Sprint("user", u))
		}
		var token struct {
			Secret string `json:"secret"`
		}
		p.Must(201, "POST", "/me/tokens", map[string]any{"name": "faults"}, &token)
		if token.Secret == "" {
			t.Fatal("no token")
		}
		p.Token = token.Secret
		p.Must(201, "POST", "/projects", map[string]any{"name": "faults"}, nil)
		h.people = append(h.people, p)
	}
	return h
}

// sitDown gives each user a new session, after a last look at the one before.
func (h *house) sitDown(title string) {
	h.t.Helper()
	h.standUp()
	for u, p := range h.people {
		var s struct {
			ID string `json:"id"`
		}
		p.Must(201, "POST", "/sessions", map[string]any{"project": "faults", "title": title}, &s)
		h.desks = append(h.desks, newDesk(u, p, s.ID, h.figures))
	}
	for _, d := range h.desks {
		if what := d.await(answerWithin, func(w *watch) string {
			if w.state != "ready" {
				return "the session is " + w.state
			}
			return ""
		}); what != "" {
			h.t.Fatalf("a new session does not begin: %s\n%s", what, d.story())
		}
	}
}

func (h *house) standUp() {
	h.t.Helper()
	for _, d := range h.desks {
		h.replay(d)
		for _, p := range d.took() {
			h.t.Errorf("at the end of a session: %s\n%s", p, d.story())
		}
		d.close()
		// It has no business any more, and its process makes room.
		carrel.Await(h.t, "the end of a session", func() error {
			if res, err := d.person.Try("DELETE", "/sessions/"+d.session, nil, nil); err != nil || res.StatusCode != 204 && res.StatusCode != 404 { // 404: one that failed was finished meanwhile
				return fmt.Errorf("%w %s", err, res.Text)
			}
			return nil
		})
	}
	h.desks = nil
}

// play does one round and says whether all held.
func (h *house) play(seed uint64, r round) bool {
	h.t.Helper()
	before := make([]calm, len(h.desks))
	for i, d := range h.desks {
		before[i] = d.calm()
	}
	var wg sync.WaitGroup
	for i, d := range h.desks {
		wg.Go(func() {
			for _, p := range r.prompts[i] {
				if p.after > 0 {
					d.await(10*time.Second, func(w *watch) string { return missingEvents(w, before[i].events+p.after, r.markers(i)[:1]) })
				}
				d.say(p)
			}
		})
	}
	v := r.victim
	h.desks[v].await(answerWithin, func(w *watch) string { return missingEvents(w, before[v].events+r.moment, r.markers(v)) })
	h.inject(r)
	wg.Wait()
	ok := true
	for i, d := range h.desks {
		if what := d.await(answerWithin, func(w *watch) string { return w.settled(r.markers(i)) }); what != "" {
			h.figures.add(func(f *figures) { f.lost++ })
			d.problem("still missing %v after the fault: %s", answerWithin, what)
		} else {
			h.sideEffects(d, r)
			h.processes(d)
		}
		d.judge(r, before[i], h.last.kills(i))
		problems := d.took()
		for _, p := range problems {
			ok = false
			h.t.Errorf("seed %d, round %d, %s, user %d: %s", seed, r.number, r.name(), i, p)
		}
		if len(problems) > 0 {
			h.t.Logf("round %d was: %v\n%s", r.number, r, d.story())
		}
	}
	for _, d := range h.desks {
		carrel.Await(h.t, "the devices", func() error { return errors.Join(d.first.back(), d.second.back()) })
	}
	h.last = r
	h.figures.add(func(f *figures) { f.rounds++; f.byFault[r.name()]++ })
	return ok
}

// missingEvents waits for a number of events, or until there will be no more.
func missingEvents(w *watch, n int, markers []string) string {
	if w.events < n && w.settled(markers) != "" {
		return fmt.Sprintf("event %d of %d", w.events, n)
	}
	return ""
}

func (r round) markers(user int) (all []string) {
	for _, p := range r.prompts[user] {
		all = append(all, p.marker)
	}
	return all
}

// calm is what a fault of somebody else's must leave as it is.
type calm struct{ events, starts, restarts, failures, connections, saidAgain int }

func (d *desk) calm() calm {
	n := d.first.connections() + d.second.connections()
	d.mu.Lock()
	defer d.mu.Unlock()
	return calm{d.watch.events, d.watch.starts, d.watch.restarts, len(d.watch.failures), n, d.watch.saidAgain}
}

// judge holds what happened to a user in a round against what the fault may do to them. One that killed a Claude which
// had just become idle shows late: in the round after.
func (d *desk) judge(r round, before calm, late bool) {
	now := d.calm()
	d.mu.Lock()
	failures := strings.Join(d.watch.failures[before.failures:], "; ")
	for _, m := range r.markers(d.user) {
		if n := d.watch.results[m]; n != 1 && !r.kills(d.user) {
			d.problems = append(d.problems, fmt.Sprintf("prompt %s has %d results", m, n))
		}
	}
	d.mu.Unlock()
	d.figures.add(func(f *figures) { f.saidAgain += now.saidAgain - before.saidAgain })
	if now.failures > before.failures && !r.kills(d.user) && !late {
		d.problem("the session failed: %s", failures)
	}
	if now.starts > before.starts && !r.kills(d.user) && !late {
		d.problem("%d processes were started", now.starts-before.starts)
	}
	if now.restarts > before.restarts && !r.cuts(d.user) {
		d.problem("%d answers were begun anew", now.restarts-before.restarts)
	}
	if !r.strikes(d.user) && now.connections > before.connections {
		d.problem("the devices had to connect again: %v; %v", d.first, d.second)
	}
	if n := d.figures.ran(r.markers(d.user)); n != "" && !r.cuts(d.user) {
		d.problem("the model was asked too often: %s", n)
	}
}
