package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// story is what a session's journal says of its wait and its work.
type story struct {
	places  []int
	started time.Time // of the first process
	results []string
	states  []string
}

func tell(t *testing.T, p *carrel.Person, id string) story {
	t.Helper()
	var page struct {
		Items []struct {
			At    time.Time       `json:"at"`
			Event json.RawMessage `json:"event"`
		} `json:"items"`
	}
	p.Must(200, "GET", "/sessions/"+id+"/events?limit=5000", nil, &page)
	var s story
	for _, e := range page.Items {
		var ev struct {
			Type   string `json:"type"`
			State  string `json:"state"`
			Reason string `json:"reason"`
			Place  int    `json:"place"`
			Result string `json:"result"`
		}
		if err := json.Unmarshal(e.Event, &ev); err != nil {
			t.Fatal(err)
		}
		switch ev.Type {
		case "carrel.queue":
			s.places = append(s.places, ev.Place)
		case "carrel.state":
			s.states = append(s.states, strings.TrimSuffix(ev.State+" "+ev.Reason, " "))
			if ev.State == "starting" && s.started.IsZero() {
				s.started = e.At
			}
		case "result":
			s.results = append(s.results, ev.Result)
		}
	}
	return s
}

func ask(p *carrel.Person, session, id, content string) carrel.Response {
	return p.Do("POST", "/sessions/"+session+"/prompts", map[string]any{"id": id, "content": content}, nil)
}

func sessionState(p *carrel.Person, id string) string {
	var s struct {
		State string `json:"state"`
	}
	p.Must(200, "GET", "/sessions/"+id, nil, &s)
	return s.State
}

// TestFairLine: with two places for Claude processes and three people, one of whom wants ten, everybody is served in
// turn, is told the place, may leave the line, and finds it as it was after the server was killed.
func TestFairLine(t *testing.T) {
	s := carrel.Start(t, "CARREL_POOL_MAX_LIVE_SESSIONS=2", "CARREL_QUOTA_LIVE_SESSIONS=20", "CARREL_POOL_MAX_WAITING=6")
	ada := s.Setup("ada")
	bob, cy := s.Add(ada, "bob"), s.Add(ada, "cy")

	// No more processes than places, at any time: as the host has them, for lists of several instances are not of one
	// moment. Nor is one look at the host: those that are there in two looks were there together between them.
	watching := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	var sessions []string // guarded by mu
	begin := func(p *carrel.Person) string {
		id := newSession(p, "demo")
		mu.Lock()
		defer mu.Unlock()
		sessions = append(sessions, id)
		return id
	}
	most := 0
	wg.Go(func() {
		for {
			mu.Lock()
			ids := slices.Clone(sessions)
			mu.Unlock()
			first, second := carrel.Claudes(ids...), carrel.Claudes(ids...)
			most = max(most, len(slices.DeleteFunc(first, func(pid int) bool { return !slices.Contains(second, pid) })))
			select {
			case <-watching:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})

	var adas []string
	for i := range 8 {
		id := begin(ada)
		adas = append(adas, id)
		order := fmt.Sprintf("[echo ada %d]", i)
		if i < 2 {
			order = "[hang 5m]" // at work until it is interrupted
		}
		if r := ask(ada, id, "p", order); r.StatusCode != 202 {
			t.Fatalf("prompt %d: %s %s", i, r.Status, r.Text)
		}
		if i == 1 {
			carrel.Await(t, "two at work", func() error {
				for _, id := range adas {
					if got := sessionState(ada, id); got != "running" {
						return fmt.Errorf("%s is %s", id, got)
					}
				}
				return nil
			})
		}
	}
	// Beyond the bound nothing is taken.
	over := begin(ada)
	if r := ask(ada, over, "p", "[echo too much]"); r.StatusCode != http.StatusTooManyRequests || r.Code() != "rate_limited" || r.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %s %q %s", r.Status, r.Header.Get("Retry-After"), r.Text)
	}
	if got := tell(t, ada, over); len(got.states)+len(got.results) != 0 {
		t.Errorf("something of it was kept: %+v", got)
	}
	bobs, cys := begin(bob), begin(cy)
	for i, who := range []struct {
		p  *carrel.Person
		id string
	}{{bob, bobs}, {cy, cys}} {
		if r := ask(who.p, who.id, "p", "[echo one word]"); r.StatusCode != 202 {
			t.Fatalf("%s: %s %s", who.p.Name, r.Status, r.Text)
		}
		carrel.Await(t, who.p.Name+" in line", func() error {
			if got := tell(t, who.p, who.id).places; len(got) == 0 || got[0] > i+2 {
				return fmt.Errorf("told %v; want at most %d", got, i+2)
			}
			return nil
		})
	}
	// One leaves.
	ada.Must(204, "POST", "/sessions/"+adas[7]+"/interrupt", nil, nil)
	carrel.Await(t, "the withdrawal", func() error {
		if got := tell(t, ada, adas[7]).states; !slices.Contains(got, "dormant withdrawn") {
			return fmt.Errorf("states %v", got)
		}
		return nil
	})
	s.Signal(syscall.SIGKILL)
	s.Serve()

	for _, id := range adas[:2] {
		carrel.Await(t, "the end of the first two", func() error {
			if r := ada.Do("POST", "/sessions/"+id+"/interrupt", nil, nil); r.StatusCode != 204 {
				return fmt.Errorf("%s %s", r.Status, r.Text)
			}
			return nil
		})
	}
	ids := append(slices.Clone(adas[:7]), bobs, cys)
	people := map[string]*carrel.Person{bobs: bob, cys: cy}
	for _, id := range ids {
		p := people[id]
		if p == nil {
			p = ada
		}
		carrel.Await(t, "the answer in "+id, func() error {
			if got := tell(t, p, id); len(got.results) != 1 {
				return fmt.Errorf("results %q, states %v, places %v", got.results, got.states, got.places)
			}
			return nil
		})
	}
	close(watching)
	wg.Wait()
	if most != 2 {
		t.Errorf("at most %d processes were seen; want 2", most)
	}
	// After the two who were there first, each round gives one place to each who waits.
	started := map[string]time.Time{}
	for _, id := range adas[2:7] {
		started[id] = tell(t, ada, id).started
	}
	before := 0
	b, c := tell(t, bob, bobs), tell(t, cy, cys)
	for _, at := range started {
		if at.Before(b.started) || at.Before(c.started) {
			before++
		}
	}
	if before > 1 {
		t.Errorf("%d of Ada's sessions went before the others'; want 1", before)
	}
	for i, id := range adas[2:7] {
		if i > 0 && started[id].Before(started[adas[i+1]]) {
			t.Errorf("Ada's session %d came before the one that waited longer", i+2)
		}
		places := tell(t, ada, id).places
		if len(places) == 0 {
			t.Errorf("Ada's session %d was told no place", i+2)
		}
	}
	if got := tell(t, ada, adas[7]); len(got.results) != 0 {
		t.Errorf("what was withdrawn has run: %+v", got)
	}
	if r := ask(ada, over, "p", "[echo room again]"); r.StatusCode != 202 {
		t.Errorf("after the crowd: %s %s", r.Status, r.Text)
	}
	metrics := get(t, s.URL+"/metrics")
	for _, want := range []string{"carrel_queue_length ", "carrel_places 2", "carrel_queue_wait_seconds_count "} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %q", want)
		}
	}
	if ready := get(t, s.URL+"/readyz"); !strings.Contains(ready, `"name":"memory"`) || !strings.Contains(ready, `"name":"places"`) {
		t.Errorf("readyz: %s", ready)
	}
}

// TestATaskInTheBackgroundGivesWay: what runs in the background keeps its place while nobody else wants it, and for a
// while after; its session is told what was ended, and goes on.
func TestATaskInTheBackgroundGivesWay(t *testing.T) {
	t.Parallel()
	s := carrel.Start(t, "CARREL_POOL_MAX_LIVE_SESSIONS=1", "CARREL_POOL_BACKGROUND_TIMEOUT=2s")
	ada := s.Setup("ada")
	bob := s.Add(ada, "bob")
	id := newSession(ada, "demo")
	if r := ask(ada, id, "p1", "[background sleep 300] [say 1]"); r.StatusCode != 202 {
		t.Fatalf("%s %s", r.Status, r.Text)
	}
	carrel.Await(t, "the end of the turn", func() error {
		if got := tell(t, ada, id); len(got.results) != 1 || sessionState(ada, id) != "ready" {
			return fmt.Errorf("got %+v", got)
		}
		return nil
	})
	bobs := newSession(bob, "demo")
	if r := ask(bob, bobs, "p1", "[echo at last]"); r.StatusCode != 202 {
		t.Fatalf("%s %s", r.Status, r.Text)
	}
	carrel.Await(t, "the other's answer", func() error {
		if got := tell(t, bob, bobs); len(got.results) != 1 {
			return fmt.Errorf("got %+v", got)
		}
		return nil
	})
	if got := tell(t, ada, id); !slices.Contains(got.states, "dormant yielded") {
		t.Errorf("states %v", got.states)
	}
	if res := ada.Must(200, "GET", "/sessions/"+id+"/events?limit=5000", nil, nil); !strings.Contains(res.Text, "nothing ran here but in the background. It was ended: ") {
		t.Errorf("the session was not told what was ended")
	}
	if m := get(t, s.URL+"/metrics"); !strings.Contains(m, `carrel_evictions_total{reason="background"} 1`) {
		t.Errorf("the metrics do not count it")
	}
	if r := ask(ada, id, "p2", "[echo on]"); r.StatusCode != 202 {
		t.Fatalf("%s %s", r.Status, r.Text)
	}
	carrel.Await(t, "the next answer", func() error {
		if got := tell(t, ada, id); !slices.Contains(got.results, "on") {
			return fmt.Errorf("got %+v", got)
		}
		return nil
	})
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestHibernate: an instance that nobody uses has no process and no memory, is shown as hibernated, also by the next
// server, and comes back with its session resumed.
func TestHibernate(t *testing.T) {
	s := carrel.Start(t, "CARREL_POOL_IDLE_TIMEOUT=3s", "CARREL_SESSION_IDLE_TIMEOUT=1s")
	ada := s.Setup("ada")
	made := put(t, ada)
	ws, id := open(t, ada, "demo")
	ws.Turn(id, "first", "[echo first words]")
	ws.Close()
	asleep := func() instance {
		t.Helper()
		var i instance
		carrel.Await(t, "hibernation", func() error {
			ada.Must(200, "GET", "/instance", nil, &i) // looking is no touch
			if i.Status != "hibernated" {
				return fmt.Errorf("it is %s with %d processes", i.Status, i.ActiveProcesses)
			}
			return nil
		})
		if n := len(supervisors(t, s)); n != 0 {
			t.Errorf("%d supervisors run", n)
		}
		return i
	}
	if i := asleep(); i.ID != made.ID || i.CreatedAt != made.CreatedAt || i.ActiveProcesses != 0 {
		t.Errorf("hibernated: %+v; made: %+v", i, made)
	}
	s.Signal(syscall.SIGTERM)
	s.Serve()
	if i := asleep(); i.ID != made.ID || i.CreatedAt != made.CreatedAt {
		t.Errorf("after a restart: %+v; made: %+v", i, made)
	}
	begin := time.Now()
	if r := ask(ada, id, "second", "[echo second words]"); r.StatusCode != 202 {
		t.Fatalf("%s %s", r.Status, r.Text)
	}
	t.Logf("a prompt to a hibernated one was acknowledged after %v", time.Since(begin))
	carrel.Await(t, "the answer", func() error {
		if got := tell(t, ada, id); len(got.results) != 2 || !strings.Contains(got.results[1], "second words") {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	t.Logf("and answered after %v", time.Since(begin))
	asleep()
	var woken instance
	ada.Must(200, "PUT", "/instance", nil, &woken) // it was there, and is used again
	if woken.ID != made.ID || woken.Status != "active" {
		t.Errorf("woken: %+v", woken)
	}
	asleep()
	if r := command(t, ada, "", "cat", "README.md"); r.ExitCode != 0 {
		t.Errorf("a command woke it: %+v", r)
	}
	asleep()
	ada.Must(204, "DELETE", "/instance", nil, nil)
	ada.Must(404, "DELETE", "/instance", nil, nil)
	ada.Must(404, "GET", "/instance", nil, nil)
	put(t, ada)
}
