package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// Limits of the people of TestResources, small so that they are soon met.
const (
	mib          = 1 << 20
	quotaMemory  = 256 * mib
	quotaPIDs    = 64
	quotaStorage = 96 * mib
	quotaInodes  = 3000
)

// taken is what a program of the probe's got of something.
type taken struct {
	Took int    `json:"took"`
	End  string `json:"end"`
}

// take runs one of the probe's programs that take all they can. One that was
// killed meanwhile gives the exit code.
func take(t *testing.T, p *carrel.Person, patience time.Duration, args ...string) (taken, int) {
	t.Helper()
	r := commandFor(t, p, patience, "", append([]string{"./probe"}, args...)...)
	var k taken
	if r.ExitCode == 0 {
		if err := json.Unmarshal([]byte(r.Stdout), &k); err != nil {
			t.Fatalf("%v said %q %q", args, r.Stdout, r.Stderr)
		}
	}
	return k, r.ExitCode
}

// watcher is somebody else who works on meanwhile.
type watcher struct {
	p    *carrel.Person
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu      sync.Mutex
	asked   int
	slowest time.Duration
	failed  []string
}

// tolerable is what an answer may take on a machine that others load too.
const tolerable = 15 * time.Second

func watch(p *carrel.Person) *watcher {
	ctx, stop := context.WithCancel(context.Background())
	w := &watcher{p: p, stop: stop}
	w.wg.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			begin := time.Now()
			var res carrel.Response
			var err error
			if n%2 == 0 {
				res, err = p.Try("GET", "/files?path=", nil, nil)
			} else {
				res, err = p.Try("POST", "/commands", map[string]any{"argv": []string{"true"}}, nil)
			}
			took := time.Since(begin)
			w.mu.Lock()
			w.asked++
			w.slowest = max(w.slowest, took)
			switch {
			case err != nil:
				w.failed = append(w.failed, err.Error())
			case res.StatusCode != 200 || took > tolerable:
				w.failed = append(w.failed, fmt.Sprintf("%s after %v: %s", res.Status, took, res.Text))
			}
			w.mu.Unlock()
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond): // a rate, not a wait
			}
		}
	})
	return w
}

// end stops the watcher and tells how it went.
func (w *watcher) end(t *testing.T) {
	t.Helper()
	w.stop()
	w.wg.Wait()
	for _, f := range w.failed {
		t.Errorf("%s was not answered meanwhile: %s", w.p.Name, f)
	}
	if w.asked == 0 {
		t.Errorf("%s was not asked for once", w.p.Name)
	}
	t.Logf("%s: %d answers meanwhile, the slowest after %v", w.p.Name, w.asked, w.slowest.Round(time.Millisecond))
}

// crowd is a server with somebody who takes all they can, and somebody else.
type crowd struct {
	s        *carrel.Server
	ada, bob *carrel.Person
	made     instance
}

func newCrowd(t *testing.T, settings ...string) *crowd {
	t.Helper()
	c := &crowd{s: carrel.Start(t, append(settings, fmt.Sprintf("CARREL_QUOTA_MEMORY_BYTES=%d", quotaMemory), fmt.Sprintf("CARREL_QUOTA_PIDS=%d", quotaPIDs),
		fmt.Sprintf("CARREL_QUOTA_STORAGE_BYTES=%d", quotaStorage), fmt.Sprintf("CARREL_QUOTA_INODES=%d", quotaInodes), "CARREL_QUOTA_CPU=1")...)}
	c.ada = c.s.Setup("ada")
	c.bob = c.s.Add(c.ada, "bob")
	c.made = put(t, c.ada)
	put(t, c.bob)
	place(t, c.ada)
	return c
}

// attack has ada do something while bob works, and sees that both are as before.
func (c *crowd) attack(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) {
		w := watch(c.bob)
		f(t)
		w.end(t)
		c.well(t)
	})
}

// well sees that ada's instance is the one it was, and answers.
func (c *crowd) well(t *testing.T) {
	t.Helper()
	if r := command(t, c.ada, "", "echo", "here"); r.Stdout != "here\n" {
		t.Errorf("after the attack a command gives %+v", r)
	}
	carrel.Await(t, "the instance to be as before", func() error {
		i := c.usage(t)
		if i.ID != c.made.ID {
			t.Fatalf("the instance is %s; want %s", i.ID, c.made.ID)
		}
		if i.Health.Status != "healthy" {
			return fmt.Errorf("health %+v", i.Health)
		}
		for _, p := range i.Processes {
			if p.Kind != "claude" {
				return fmt.Errorf("there is %+v", p)
			}
		}
		return nil
	})
}

func TestResources(t *testing.T) {
	c := newCrowd(t)
	ws, session := c.conversation(t, c.ada)
	bobsWS, bobsSession := c.conversation(t, c.bob)
	turns := 0
	turn := func(t *testing.T, ws *carrel.Socket, session string) {
		t.Helper()
		turns++
		if r, _ := ws.Turn(session, "turn-"+strconv.Itoa(turns), "[say 3]"); r.IsError {
			t.Errorf("turn: %+v", r)
		}
	}

	c.attack(t, "fork bomb", func(t *testing.T) {
		if r := commandFor(t, c.ada, 2*time.Second, "", "./probe", "fork-bomb", "20000"); r.ExitCode != 124 {
			t.Errorf("fork bomb: %+v; want it ended by its time limit", r)
		}
	})
	c.attack(t, "processes", func(t *testing.T) {
		if k, _ := take(t, c.ada, time.Minute, "take-processes", "1000", "0"); k.Took >= quotaPIDs || k.Took < 10 {
			t.Errorf("got %+v of %d processes", k, quotaPIDs)
		}
	})
	c.attack(t, "no process left", c.noProcessLeft)
	c.attack(t, "busy loops", func(t *testing.T) {
		before := c.usage(t).Usage.CPUSeconds
		if r := commandFor(t, c.ada, 2*time.Second, "", "sh", "-c", "for i in 1 2 3 4 5 6; do while :; do :; done & done; wait"); r.ExitCode != 124 {
			t.Errorf("busy loops: %+v", r)
		}
		if used := c.usage(t).Usage.CPUSeconds - before; used > 4 { // one core for two seconds, and what it takes to end
			t.Errorf("%.1f seconds of CPU in two", used)
		}
	})
	c.attack(t, "memory", func(t *testing.T) {
		if k, code := take(t, c.ada, time.Minute, "take-memory", strconv.Itoa(2*quotaMemory)); code != 137 {
			t.Errorf("got %+v, exit code %d; want it killed", k, code)
		}
	})
	c.attack(t, "memory by many", func(t *testing.T) {
		r := command(t, c.ada, "", "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do ./probe take-memory "+strconv.Itoa(quotaMemory/4)+" & done; wait")
		// Whom of the person's own processes the kernel ends is its choice: the shell may be among them.
		if r.ExitCode != 0 && r.ExitCode != 137 {
			t.Errorf("memory by many: %+v", r)
		}
	})
	for _, how := range []string{"write", "unlinked", "allocate", "map"} {
		c.attack(t, "disk by "+how, func(t *testing.T) {
			k, code := take(t, c.ada, time.Minute, "take-bytes", ".", strconv.Itoa(4*quotaStorage), how)
			if code != 0 || k.Took >= quotaStorage || k.Took < quotaStorage/4 || k.End == "the bound" {
				t.Errorf("got %+v (exit code %d) of %d bytes", k, code, quotaStorage)
			}
			if i := c.usage(t); i.Usage.StorageBytes > quotaStorage {
				t.Errorf("%d bytes are in use of %d", i.Usage.StorageBytes, quotaStorage)
			}
		})
	}
	c.attack(t, "disk by sparse files", func(t *testing.T) {
		if k, _ := take(t, c.ada, time.Minute, "take-bytes", ".", "1", "sparse"); k.Took > 0 {
			t.Errorf("a file of %d bytes", k.Took)
		}
	})
	c.attack(t, "full disk", func(t *testing.T) {
		command(t, c.ada, "", "sh", "-c", "cat /dev/zero > full")
		turn(t, ws, session) // what is said is kept all the same
		if res := c.ada.Do("PUT", "/files/content?path=new.txt", strings.NewReader(strings.Repeat("x", mib)), nil); res.StatusCode < 400 || res.Code() == "" {
			t.Errorf("a file on a full disk: %s %s", res.Status, res.Text)
		}
		c.ada.Must(204, "DELETE", "/files?path=full", nil, nil)
		c.ada.Must(201, "PUT", "/files/content?path=new.txt", strings.NewReader("room again"), nil)
	})
	c.attack(t, "inodes", func(t *testing.T) {
		if k, code := take(t, c.ada, time.Minute, "take-inodes", ".", strconv.Itoa(4*quotaInodes)); code != 0 || k.Took >= quotaInodes || k.Took < quotaInodes/4 {
			t.Errorf("got %+v (exit code %d) of %d inodes", k, code, quotaInodes)
		}
	})
	for _, dir := range []string{"/tmp", "/dev/shm"} {
		c.attack(t, dir, func(t *testing.T) {
			if k, code := take(t, c.ada, time.Minute, "take-bytes", dir, strconv.Itoa(2*quotaMemory), "write"); code != 0 || k.Took >= quotaMemory {
				t.Errorf("got %+v (exit code %d)", k, code)
			}
			if k, code := take(t, c.ada, time.Minute, "take-inodes", dir, "200000"); code != 0 || k.Took >= 100_000 {
				t.Errorf("got %+v inodes (exit code %d)", k, code)
			}
			// What stays there counts as memory, and leaves enough to go on.
			if r := command(t, c.ada, "", "sh", "-c", "cat /dev/zero > "+dir+"/full 2>/dev/null; rm "+dir+"/full"); r.ExitCode != 0 {
				t.Errorf("fill %s: %+v", dir, r)
			}
		})
	}
	c.attack(t, "flood of a command", func(t *testing.T) {
		peak := peakOf(t, c.s.Pid())
		r := command(t, c.ada, "", "./probe", "flood", "1000000000")
		if r.ExitCode != 0 || !r.Truncated || len(r.Stdout) > 4*mib || len(r.Stdout) == 0 {
			t.Errorf("exit code %d, truncated %v, %d bytes", r.ExitCode, r.Truncated, len(r.Stdout))
		}
		if grown := peak(t); grown > 96*mib {
			t.Errorf("the server grew by %d MiB", grown/mib)
		}
	})
	c.attack(t, "flood of a terminal", c.floodTerminal)
	c.attack(t, "orphans and zombies", func(t *testing.T) {
		if r := command(t, c.ada, "", "./probe", "orphans", "10000"); r.ExitCode != 0 || r.Stdout != "left 10000\n" {
			t.Errorf("orphans: %+v", r)
		}
		carrel.Await(t, "the last zombie's end", func() error {
			if o := inside(t, c.ada, []task{{Name: "zombies", Op: "zombies"}})["zombies"]; o.Got {
				return fmt.Errorf("%s", o.Detail)
			}
			return nil
		})
	})
	c.attack(t, "descriptors", func(t *testing.T) {
		// What ends it, its own limit or its memory's, is the same to others.
		command(t, c.ada, "", "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do ./probe take-descriptors 1000000 1000 & done; wait")
	})
	c.attack(t, "connections", func(t *testing.T) {
		const begin = "./probe take-connections "
		term := c.terminal(t, begin+"/run/carrel/gateway.sock 3000 13000 >one 2>&1 & "+begin+"/run/carrel/egress.sock 3000 13000 >two 2>&1 & "+
			begin+"127.0.0.1:${HTTPS_PROXY##*:} 2000 13000 >three 2>&1 & sleep 1; touch ready; wait; cat one two three >all.new; mv all.new all")
		c.file(t, "ready")
		turn(t, bobsWS, bobsSession) // bob's way to the model is his own
		if fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", role(t, c.s, "gateway"))); err != nil || len(fds) > 600 {
			t.Errorf("the gateway has %d descriptors open: %v", len(fds), err)
		}
		for _, pid := range supervisors(t, c.s) {
			if n := statusNumber(t, pid, "Threads"); n > 40 {
				t.Errorf("a supervisor has %d threads", n)
			}
		}
		all := c.file(t, "all")
		for line := range strings.Lines(all) {
			var k taken
			if err := json.Unmarshal([]byte(line), &k); err != nil || k.Took == 0 || strings.HasPrefix(k.End, "cut 0,") {
				t.Errorf("connections: %q; want some, and some of them cut for being slow", line)
			}
		}
		if strings.Count(all, "\n") != 3 {
			t.Errorf("connections: %q", all)
		}
		c.ada.Must(204, "DELETE", "/terminals/"+term, nil, nil)
	})
	turn(t, ws, session)
	ws.CheckOrder()
}

// conversation opens a session whose Claude is ready.
func (c *crowd) conversation(t *testing.T, p *carrel.Person) (*carrel.Socket, string) {
	t.Helper()
	id := newSession(p, "demo")
	ws := p.Dial()
	ws.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
	ws.Turn(id, "first", "[say 3]")
	return ws, id
}

// noProcessLeft holds every process that there is, while much is asked of the
// supervisor: a Go program that is refused a thread dies, and here it is the
// first process of the instance.
func (c *crowd) noProcessLeft(t *testing.T) {
	term := c.terminal(t, "./probe take-processes 1000 6000 >held; sleep 100")
	carrel.Await(t, "the limit", func() error {
		if i := c.usage(t); i.Usage.PIDs < quotaPIDs {
			return fmt.Errorf("%d processes", i.Usage.PIDs)
		}
		return nil
	})
	var all sync.WaitGroup
	for n := range 24 {
		all.Go(func() {
			end := time.Now().Add(3 * time.Second)
			for time.Now().Before(end) {
				var err error
				switch n % 5 { // whatever the answer is
				case 0:
					_, err = c.ada.Try("GET", "/files?path=", nil, nil)
				case 1:
					_, err = c.ada.Try("POST", "/commands", map[string]any{"argv": []string{"true"}}, nil)
				case 2:
					_, err = c.ada.Try("GET", "/sessions", nil, nil)
				case 3:
					_, err = c.ada.Try("POST", "/terminals", map[string]any{"argv": []string{"true"}, "cols": 80, "rows": 24}, nil)
				case 4:
					_, err = c.ada.Try("PUT", "/files/content?path=x"+strconv.Itoa(n), strings.NewReader("x"), nil)
				}
				if err != nil {
					t.Errorf("not answered: %v", err)
				}
			}
		})
	}
	all.Wait()
	c.same(t)
	c.ada.Must(204, "DELETE", "/terminals/"+term, nil, nil)
}

// same sees that the instance is the one that was made.
func (c *crowd) same(t *testing.T) {
	t.Helper()
	if i := c.usage(t); i.ID != c.made.ID {
		t.Fatalf("the instance is %s; want %s: its first process was ended", i.ID, c.made.ID)
	}
}

func (c *crowd) usage(t *testing.T) instance {
	t.Helper()
	var i instance
	c.ada.Must(200, "GET", "/instance", nil, &i)
	return i
}

func (c *crowd) terminal(t *testing.T, script string) string {
	t.Helper()
	var term struct {
		ID string `json:"id"`
	}
	c.ada.Must(201, "POST", "/terminals", map[string]any{"argv": []string{"/bin/sh", "-c", script}, "cols": 80, "rows": 24}, &term)
	return term.ID
}

// file waits for a file of ada's.
func (c *crowd) file(t *testing.T, path string) string {
	t.Helper()
	var text string
	carrel.Await(t, path, func() error {
		res := c.ada.Do("GET", "/files/content?path="+path, nil, nil)
		if res.StatusCode != 200 {
			return fmt.Errorf("%s", res.Status)
		}
		text = res.Text
		return nil
	})
	return text
}

// floodTerminal has a terminal write some hundred megabytes to somebody who does not read.
func (c *crowd) floodTerminal(t *testing.T) {
	peak := peakOf(t, c.s.Pid())
	term := c.terminal(t, "./probe flood 300000000; touch flooded; sleep 100")
	conn := c.ada.Connect("/terminals/" + term)
	defer func() { _ = conn.CloseNow() }() // it may be closed by the other side
	// A terminal waits for nobody: its scrollback goes on, and who is too slow is let go.
	c.file(t, "flooded")
	if grown := peak(t); grown > 96*mib {
		t.Errorf("the server grew by %d MiB", grown/mib)
	}
	c.ada.Must(204, "DELETE", "/terminals/"+term, nil, nil)
}

// peakOf begins to measure the most memory that a process has at a time; the
// answer is by how much that is above what it has now.
func peakOf(t *testing.T, pid int) func(t *testing.T) int64 {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	before := statusNumber(t, pid, "VmRSS")
	return func(t *testing.T) int64 {
		t.Helper()
		return (statusNumber(t, pid, "VmHWM") - before) << 10
	}
}

func statusNumber(t *testing.T, pid int, name string) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name+":" {
			n, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no %s of process %d", name, pid)
	return 0
}

// TestResourcesAreTakenElsewhere shows that each of these programs takes more
// than the limits where none is held.
func TestResourcesAreTakenElsewhere(t *testing.T) {
	t.Parallel()
	s := carrel.Start(t, "CARREL_RUNTIME=bare")
	ada := s.Setup("ada")
	put(t, ada)
	place(t, ada)
	for _, args := range [][]string{
		{"take-processes", strconv.Itoa(2 * quotaPIDs), "0"}, {"take-memory", strconv.Itoa(quotaMemory * 5 / 4)},
		{"take-bytes", ".", strconv.Itoa(quotaStorage * 5 / 4), "write"}, {"take-bytes", ".", strconv.Itoa(quotaStorage * 5 / 4), "unlinked"},
		{"take-bytes", ".", strconv.Itoa(quotaStorage * 5 / 4), "allocate"}, {"take-bytes", ".", strconv.Itoa(quotaStorage * 5 / 4), "map"}, {"take-bytes", ".", "1", "sparse"},
		{"take-inodes", ".", strconv.Itoa(2 * quotaInodes)}, {"take-bytes", "/tmp", strconv.Itoa(quotaMemory), "allocate"}, {"take-bytes", "/dev/shm", strconv.Itoa(quotaMemory), "allocate"},
	} {
		t.Run(strings.ReplaceAll(strings.Join(args, " "), "/", "-"), func(t *testing.T) {
			if k, code := take(t, ada, time.Minute, args...); code != 0 || k.End != "the bound" {
				t.Errorf("got %+v, exit code %d; want all that it asked for", k, code)
			}
		})
	}
}
