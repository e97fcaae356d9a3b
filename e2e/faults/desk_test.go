package faults

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// desk is one user at one session: two devices, what they were told, and what they still want.
type desk struct {
	user    int
	person  *carrel.Person
	session string
	first   *device
	second  *device
	figures *figures
	wg      sync.WaitGroup
	stop    context.CancelFunc

	mu       sync.Mutex
	book     map[int64]uint64 // what each event was, whoever saw it first
	watch    *watch           // of what the first device sees
	watched  int64            // up to here
	changed  chan struct{}
	wanted   map[string]*sending // prompts without an ack, by id
	answerBy int                 // who answers next
	problems []string
}

// sending is a prompt on its way.
type sending struct {
	prompt  plannedPrompt
	on      map[*device]int // the connection it was sent on
	next    time.Time       // not before
	sent    int
	refusal string
}

func newDesk(user int, person *carrel.Person, session string, f *figures) *desk {
	life, stop := context.WithCancel(context.Background())
	d := &desk{user: user, person: person, session: session, figures: f, stop: stop, book: map[int64]uint64{}, watch: newWatch(), changed: make(chan struct{}), wanted: map[string]*sending{}}
	d.first, d.second = newDevice(d, "the first device"), newDevice(d, "the second device")
	d.wg.Go(func() { d.pump(life) })
	return d
}

func (d *desk) close() {
	d.stop()
	d.first.close()
	d.second.close()
	d.wg.Wait()
}

// problem notes what must not be.
func (d *desk) problem(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.problems = append(d.problems, fmt.Sprintf(format, args...))
}

func (d *desk) doubled(format string, args ...any) {
	d.figures.add(func(f *figures) { f.doubled++ })
	d.problem(format, args...)
}

// event takes in what a device was sent.
func (d *desk) event(v *device, seq int64, raw []byte) {
	sum := hashOf(raw)
	d.figures.add(func(f *figures) { f.events++ })
	d.mu.Lock()
	defer d.mu.Unlock()
	if before, ok := d.book[seq]; ok && before != sum {
		d.problems = append(d.problems, fmt.Sprintf("%s was sent another event %d than before: %s", v.name, seq, brief(raw)))
	}
	d.book[seq] = sum
	if v != d.first || seq <= d.watched {
		return
	}
	d.watched = seq
	wrong, doubled := d.watch.take(seq, raw)
	d.problems = append(append(d.problems, wrong...), doubled...)
	d.figures.add(func(f *figures) { f.doubled += len(doubled); f.mangled += len(wrong) })
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *desk) acked(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.wanted, id)
}

// refused takes in an error of the server's.
func (d *desk) refused(v *device, m carrel.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.wanted[m.ID]; m.ID != "" && s != nil {
		clear(s.on)
		s.next, s.refusal = time.Now().Add(300*time.Millisecond), m.Code+" "+m.Detail
	}
	switch m.Code {
	case "conflict", "not_found", "instance_unavailable", "runtime_unavailable", "quota_exceeded", "rate_limited":
	default:
		d.problems = append(d.problems, fmt.Sprintf("%s was told %s: %s", v.name, m.Code, m.Detail))
	}
}

// say has a prompt sent until it is acknowledged.
func (d *desk) say(p plannedPrompt) {
	d.figures.add(func(f *figures) { f.prompts++ })
	d.mu.Lock()
	d.wanted[p.marker] = &sending{prompt: p, on: map[*device]int{}}
	d.mu.Unlock()
	d.push()
}

// pump sends again what was lost, as a client does: what has no ack on a new connection, and answers to what is open.
func (d *desk) pump(life context.Context) {
	for life.Err() == nil {
		pause(life, 50*time.Millisecond)
		d.push()
		d.answer()
	}
}

func (d *desk) push() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, s := range d.wanted {
		if time.Now().Before(s.next) {
			continue
		}
		if s.prompt.route == byHTTP {
			s.next = time.Now().Add(time.Hour) // until this one is answered
			d.wg.Go(func() { d.post(id, s) })
			continue
		}
		devices := map[string][]*device{bySocket: {d.first}, bySecond: {d.second}, byBoth: {d.first, d.second}}[s.prompt.route]
		for _, v := range devices {
			if n := v.connections(); s.on[v] != n && v.send(map[string]any{"type": "prompt", "session_id": d.session, "id": id, "content": s.prompt.content()}) {
				s.on[v] = n
				d.figures.add(func(f *figures) {
					if s.sent++; s.sent > 1 {
						f.again++
					}
				})
			}
		}
	}
}

// post sends a prompt over HTTP; what is no clear yes is tried again.
func (d *desk) post(id string, s *sending) {
	res, err := d.person.Try("POST", "/sessions/"+d.session+"/prompts", map[string]any{"id": id, "content": s.prompt.content()}, nil)
	d.mu.Lock()
	defer d.mu.Unlock()
	s.next = time.Now().Add(200 * time.Millisecond)
	switch {
	case err != nil:
		s.refusal = err.Error()
	case res.StatusCode == 202:
		delete(d.wanted, id)
		return
	case res.StatusCode < 500 && res.StatusCode != 409 && res.StatusCode != 429 && res.Code() != "quota_exceeded":
		d.problems = append(d.problems, fmt.Sprintf("prompt %s over HTTP: %s %s", id, res.Status, res.Text))
	default:
		s.refusal = res.Text
	}
	d.figures.add(func(f *figures) { f.again++ })
}

// answer allows what Claude asks for: from one device, from the other, or from both at once.
func (d *desk) answer() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, r := range d.watch.open {
		if time.Since(r.tried) < time.Second {
			continue
		}
		r.tried = time.Now()
		d.watch.open[id] = r
		for i, v := range []*device{d.first, d.second} {
			if d.answerBy%3 == 2 || d.answerBy%3 == i {
				v.send(map[string]any{"type": "answer", "session_id": d.session, "request_id": id, "behavior": "allow"})
			}
		}
		d.answerBy++
	}
}

// await waits until what the first device has seen satisfies, and says what is missing when it never does.
func (d *desk) await(patience time.Duration, missing func(w *watch) string) string {
	deadline := time.After(patience)
	for {
		d.mu.Lock()
		what, changed := missing(d.watch), d.changed
		d.mu.Unlock()
		if what == "" {
			return ""
		}
		select {
		case <-changed:
		case <-deadline:
			return what
		}
	}
}

// took are the problems since the last call.
func (d *desk) took() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.problems
	d.problems = nil
	return p
}

// story is what a failure needs to be understood.
func (d *desk) story() string {
	d.mu.Lock()
	var waiting []string
	for id, s := range d.wanted {
		waiting = append(waiting, fmt.Sprintf("%s (%s): sent %d times, last refusal %q", id, s.prompt.route, s.sent, s.refusal))
	}
	recent := strings.Join(d.watch.recent, "\n    ")
	open := len(d.watch.open)
	d.mu.Unlock()
	return fmt.Sprintf("  user %d (%s), session %s\n  %v\n  %v\n  without ack: %v; open requests: %d\n  last events:\n    %s", d.user, d.person.Name, d.session, d.first, d.second, waiting, open, recent)
}
