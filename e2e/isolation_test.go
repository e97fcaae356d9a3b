package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// attempt is one thing that a person tries from inside. It must be refused in a
// sandbox, and the same must work without one: else it proves nothing.
type attempt struct {
	task
	// bare says why it cannot work without a sandbox either, or not on every
	// machine. shown is then the same operation where it does work.
	bare  string
	shown *task
	maybe bool // it may work in bare all the same, where the machine has what it takes
}

// house is what the attempts are about: two people on one server, as seen from
// outside, and the same things' names inside.
type house struct {
	s              *carrel.Server
	ada, bob       *carrel.Person
	a, b           instance
	data, state    string
	sandboxed      bool
	home           string // ada's
	journal        string
	sockets, run   string
	supervisor     int
	bobPID         int
	server, keeper int
	gateway        int
	listen         string // where Carrel listens
	elsewhere      string // a listener on another address of the host
	near           string // port of one on loopback, open by the egress rules
	abstract       string // a listener without a path
	session        string
}

const (
	bobsSecret = "what only bob may read"
	bobsMark   = "bobs-long-process"
)

func build(t *testing.T, rt string) *house {
	t.Helper()
	h := &house{sandboxed: rt == "oci"}
	h.elsewhere = listenElsewhere(t)
	_, h.near, _ = net.SplitHostPort(listenOn(t, "tcp", "127.0.0.1:0"))
	h.s = carrel.Start(t, "CARREL_RUNTIME="+rt,
		// By name all these are allowed, so that it is the address that is refused.
		"CARREL_EGRESS_ALLOW="+strings.Join(append([]string{"*", "*:" + h.near, h.elsewhere}, tunnelTargets(h.near)...), ","))
	h.listen = strings.TrimPrefix(h.s.URL, "http://")
	h.data, h.state = h.s.DataDir, carrel.StateDir(h.s.DataDir)
	h.ada = h.s.Setup("ada")
	h.bob = h.s.Add(h.ada, "bob")
	h.a, h.b = put(t, h.ada), put(t, h.bob)
	place(t, h.ada)
	place(t, h.bob)
	h.bob.Must(201, "PUT", "/files/content?path=secret.txt", strings.NewReader(bobsSecret), nil)
	h.ada.Must(201, "PUT", "/files/content?path=mine.txt", strings.NewReader("ada's own"), nil)
	h.startBobsProcess(t)
	h.server, h.keeper, h.gateway = h.s.Pid(), role(t, h.s, "keeper"), role(t, h.s, "gateway")
	h.abstract = "@carrel-e2e-" + filepath.Base(h.state)
	listenOn(t, "unix", h.abstract)
	h.session = newSession(h.ada, "demo")
	ws := h.ada.Dial()
	ws.Send(map[string]any{"type": "subscribe", "session_id": h.session, "after": 0})
	ws.Turn(h.session, "p1", "[say these words]")
	ws.Close()
	if h.sandboxed {
		h.home, h.journal = "/home/ada", "/var/lib/carrel/journal"
		h.sockets, h.run, h.supervisor = "/run/carrel", "/run/supervisor", 1
		return h
	}
	volume := filepath.Join(h.data, "volumes", "user-"+strconv.FormatInt(h.ada.ID, 10))
	own := filepath.Join(h.state, "instances", h.a.ID)
	h.home, h.journal = filepath.Join(volume, "home"), filepath.Join(volume, "journal")
	h.sockets, h.run = filepath.Join(own, "sockets"), filepath.Join(own, "scratch")
	for _, pid := range supervisors(t, h.s) {
		if env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); strings.Contains(string(env), h.a.ID) {
			h.supervisor = pid
		}
	}
	return h
}

// startBobsProcess leaves a long command of bob's running, which ends with the server.
func (h *house) startBobsProcess(t *testing.T) {
	t.Helper()
	mark := bobsMark + "-" + h.b.ID
	var term struct {
		ID string `json:"id"`
	}
	h.bob.Must(201, "POST", "/terminals", map[string]any{"argv": []string{"./probe", "linger", mark, "there", "stay"}, "cols": 80, "rows": 24}, &term)
	carrel.Await(t, "bob's process", func() error {
		if pids := hostProcesses("linger\x00" + mark); len(pids) == 1 {
			h.bobPID = pids[0]
			return nil
		}
		return fmt.Errorf("none")
	})
}

func listenOn(t *testing.T, network, address string) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// listenElsewhere listens on an address of the host that is not loopback.
func listenElsewhere(t *testing.T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return listenOn(t, "tcp", net.JoinHostPort(n.IP.String(), "0"))
		}
	}
	t.Log("this machine has no address but loopback; another of those has to do")
	return listenOn(t, "tcp", "127.0.0.2:0")
}

func TestIsolation(t *testing.T) {
	t.Run("oci", func(t *testing.T) {
		t.Parallel()
		h := build(t, "oci")
		plantSetUID(t, h)
		all := h.attempts(t)
		got := inside(t, h.ada, tasksOf(all))
		for _, a := range all {
			if o := got[a.Name]; o.Got {
				t.Errorf("%s: not refused: %s", a.Name, o.Detail)
			}
		}
		t.Logf("%d attempts were refused", len(all))
		h.refusedByAddress(t)
		h.unharmed(t)
	})
	t.Run("bare", func(t *testing.T) {
		t.Parallel()
		h := build(t, "bare")
		all := h.attempts(t)
		var tasks []task
		instead := map[string]bool{} // what is shown, each once
		for _, a := range all {
			if a.bare == "" || a.maybe {
				tasks = append(tasks, a.task)
			}
			if a.shown != nil {
				s := *a.shown
				s.Name = fmt.Sprint("instead ", s.Op, s.Args)
				if !instead[s.Name] {
					instead[s.Name] = true
					tasks = append(tasks, s)
				}
			}
		}
		got := inside(t, h.ada, tasks)
		works := 0
		for _, a := range all {
			o := got[a.Name]
			if o.Got {
				works++
				continue
			}
			if a.bare == "" {
				t.Errorf("%s does not work without a sandbox, and proves nothing in one: %s", a.Name, o.Detail)
				continue
			}
			if a.shown == nil {
				continue // shown by a test of its own, which the reason names
			}
			if o := got[fmt.Sprint("instead ", a.shown.Op, a.shown.Args)]; !o.Got {
				t.Errorf("%s: what is shown instead (%v) does not work either: %s", a.Name, *a.shown, o.Detail)
			}
		}
		t.Logf("%d of %d attempts work without a sandbox", works, len(all))
	})
}

func tasksOf(all []attempt) []task {
	out := make([]task, 0, len(all))
	for _, a := range all {
		out = append(out, a.task)
	}
	return out
}

// refusedByAddress sees that it was not the list of names that closed the way.
func (h *house) refusedByAddress(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(h.state, "gateway.log"))
	if err != nil {
		t.Fatal(err)
	}
	if n, want := strings.Count(string(b), "leads to an address that is"), len(tunnelTargets("1")); n < want {
		t.Errorf("%d targets were refused by their address; want %d at least", n, want)
	}
}

// unharmed sees that the attempts have changed nothing.
func (h *house) unharmed(t *testing.T) {
	t.Helper()
	var now instance
	h.ada.Must(200, "GET", "/instance", nil, &now)
	if now.ID != h.a.ID || now.Health.Status != "healthy" {
		t.Errorf("ada's instance: %s %+v; want %s, healthy", now.ID, now.Health, h.a.ID)
	}
	if got := h.bob.Must(200, "GET", "/files/content?path=secret.txt", nil, nil).Text; got != bobsSecret {
		t.Errorf("bob's file is %q", got)
	}
	if pids := hostProcesses("linger\x00" + bobsMark + "-" + h.b.ID); len(pids) != 1 || pids[0] != h.bobPID {
		t.Errorf("bob's process: %v; want %d", pids, h.bobPID)
	}
	var events struct {
		Items []carrel.Message `json:"items"`
	}
	h.ada.Must(200, "GET", "/sessions/"+h.session+"/events?after=0", nil, &events)
	if len(events.Items) == 0 || events.Items[0].Seq != 1 {
		t.Errorf("the journal begins with %.200v", events.Items)
	}
	ws := h.ada.Dial()
	ws.Send(map[string]any{"type": "subscribe", "session_id": h.session, "after": 0})
	ws.Turn(h.session, "p2", "[say more]")
	ws.CheckOrder()
}

// plantSetUID puts a program of the supervisor's uid, set-uid, into ada's home:
// something that no person can do themselves.
func plantSetUID(t *testing.T, h *house) {
	t.Helper()
	path := filepath.Join(h.a.Workspace, "set-uid")
	if err := os.WriteFile(path, probeBytes(t), 0o755); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(filepath.Join(h.data, "volumes", "user-"+strconv.FormatInt(h.ada.ID, 10), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	uid := int(ownerOf(fi))
	if err := os.Chown(path, uid, uid); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o755|os.ModeSetuid|os.ModeSetgid); err != nil {
		t.Fatal(err)
	}
}

// TestSetUIDWorksElsewhere is what shows that the attempt with a set-uid
// program can succeed: an unprivileged uid on the host, without no_new_privs.
func TestSetUIDWorksElsewhere(t *testing.T) {
	dir, err := os.MkdirTemp("", "carrel-set-uid-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "set-uid")
	if err := os.WriteFile(path, probeBytes(t), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{dir, path} {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	attempt := []task{{Name: "plain", Op: "set-uid", Args: []string{path}}}
	if o := outside(t, 4711, nil, attempt)["plain"]; o.Got {
		t.Errorf("a program that is not set-uid: %s", o.Detail)
	}
	if err := os.Chmod(path, 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	if o := outside(t, 4711, nil, attempt)["plain"]; !o.Got {
		t.Errorf("a set-uid program does not work on this host: %s (is %s mounted nosuid?)", o.Detail, dir)
	}
}
