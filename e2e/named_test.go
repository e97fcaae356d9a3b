// Package e2e tests the shipped program as its users meet it: the real CLI,
// the real sandbox, a real browser. Only the model is scripted.
package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// instance is the API's shape, as far as the tests look at it.
type instance struct {
	ID              string `json:"id"`
	UserID          int64  `json:"user_id"`
	Status          string `json:"status"`
	Runtime         string `json:"runtime"`
	Workspace       string `json:"workspace"`
	CreatedAt       string `json:"created_at"`
	LastActivityAt  string `json:"last_activity_at"`
	ActiveProcesses int    `json:"active_processes"`
	Processes       []struct {
		PID       int    `json:"pid"`
		Kind      string `json:"kind"`
		SessionID string `json:"session_id"`
		StartedAt string `json:"started_at"`
	} `json:"processes"`
	Health struct {
		Status              string `json:"status"`
		ConsecutiveFailures int    `json:"consecutive_failures"`
		LastCheckAt         string `json:"last_check_at"`
		Detail              string `json:"detail"`
	} `json:"health"`
	Usage struct {
		CPUSeconds   float64 `json:"cpu_seconds"`
		MemoryBytes  int64   `json:"memory_bytes"`
		PIDs         int64   `json:"pids"`
		StorageBytes int64   `json:"storage_bytes"`
		Inodes       int64   `json:"inodes"`
	} `json:"usage"`
	Quota map[string]any `json:"quota"`
}

// named runs a case against both runtimes, each with a server of its own.
func named(t *testing.T, f func(t *testing.T, s *carrel.Server, admin *carrel.Person)) {
	for _, rt := range []string{"oci", "bare"} {
		t.Run(rt, func(t *testing.T) {
			s := carrel.Start(t, "CARREL_RUNTIME="+rt)
			f(t, s, s.Setup("ada"))
		})
	}
}

func put(t *testing.T, p *carrel.Person) instance {
	t.Helper()
	var i instance
	p.Must(201, "PUT", "/instance", nil, &i)
	return i
}

func Test01CreateInstance(t *testing.T) {
	named(t, func(t *testing.T, s *carrel.Server, ada *carrel.Person) {
		i := put(t, ada)
		if i.ID == "" || i.UserID != ada.ID || i.Status != "active" {
			t.Errorf("got %+v; want an id, user %d, active", i, ada.ID)
		}
		if want := "user-" + strconv.FormatInt(ada.ID, 10); filepath.Base(i.Workspace) != want {
			t.Errorf("workspace %s; want %s", i.Workspace, want)
		}
		if fi, err := os.Stat(i.Workspace); err != nil || !fi.IsDir() {
			t.Errorf("workspace %s: %v; want a folder", i.Workspace, err)
		}
	})
}

func Test02ReuseInstance(t *testing.T) {
	named(t, func(t *testing.T, s *carrel.Server, ada *carrel.Person) {
		first := put(t, ada)
		var second instance
		ada.Must(200, "PUT", "/instance", nil, &second)
		if first.ID != second.ID || first.Workspace != second.Workspace {
			t.Errorf("got %s %s; want %s %s", second.ID, second.Workspace, first.ID, first.Workspace)
		}
	})
}

func Test03TwoUsersTwoInstances(t *testing.T) {
	named(t, func(t *testing.T, s *carrel.Server, ada *carrel.Person) {
		bob := s.Add(ada, "bob")
		a, b := put(t, ada), put(t, bob)
		if a.ID == b.ID || a.Workspace == b.Workspace {
			t.Errorf("both have %s %s", a.ID, a.Workspace)
		}
	})
}

func Test04WorkspaceStructure(t *testing.T) {
	named(t, func(t *testing.T, s *carrel.Server, ada *carrel.Person) {
		i := put(t, ada)
		for _, d := range []string{"projects", "temp", "uploads"} {
			if fi, err := os.Stat(filepath.Join(i.Workspace, d)); err != nil || !fi.IsDir() {
				t.Errorf("%s: %v; want a folder", d, err)
			}
		}
		b, err := os.ReadFile(filepath.Join(i.Workspace, "README.md"))
		if err != nil || !strings.Contains(string(b), "elcome") || !strings.Contains(string(b), "ada") {
			t.Errorf("README.md: %v %q; want a welcome by name", err, b)
		}
	})
}

func Test05ChangedReadmeStays(t *testing.T) {
	named(t, func(t *testing.T, s *carrel.Server, ada *carrel.Person) {
		put(t, ada)
		ada.Must(200, "PUT", "/files/content?path=README.md", strings.NewReader("my own words"), nil)
		ada.Must(204, "DELETE", "/instance", nil, nil)
		i := put(t, ada)
		if got := ada.Must(200, "GET", "/files/content?path=README.md", nil, nil).Text; got != "my own words" {
			t.Errorf("README.md is %q", got)
		}
		if b, err := os.ReadFile(filepath.Join(i.Workspace, "README.md")); err != nil || string(b) != "my own words" {
			t.Errorf("README.md on disk: %v %q", err, b)
		}
	})
}

func Test06StatisticsOfOne(t *testing.T) {
	named(t, func(t *testing.T, s *carrel.Server, ada *carrel.Person) {
		made := put(t, ada)
		var i instance
		ada.Must(200, "GET", "/instances/"+strconv.FormatInt(ada.ID, 10), nil, &i)
		rt := "bare"
		if strings.HasSuffix(t.Name(), "oci") {
			rt = "oci"
		}
		if i.ID != made.ID || i.UserID != ada.ID || i.Runtime != rt || i.Status != "active" || i.Workspace != made.Workspace || i.CreatedAt == "" || i.LastActivityAt == "" {
			t.Errorf("got %+v", i)
		}
		if i.ActiveProcesses != 0 || i.Processes == nil || len(i.Processes) != 0 {
			t.Errorf("processes %d %v; want 0 and []", i.ActiveProcesses, i.Processes)
		}
		if i.Health.Status != "healthy" || i.Health.ConsecutiveFailures != 0 {
			t.Errorf("health %+v", i.Health)
		}
		if i.Usage.MemoryBytes <= 0 || i.Usage.PIDs <= 0 || i.Usage.StorageBytes <= 0 || i.Usage.Inodes <= 0 || i.Usage.CPUSeconds <= 0 {
			t.Errorf("usage %+v; want every field above 0", i.Usage)
		}
		for _, k := range []string{"instances", "live_sessions", "cpu", "memory_bytes", "pids", "storage_bytes", "inodes"} {
			if _, ok := i.Quota[k]; !ok {
				t.Errorf("quota has no %s: %v", k, i.Quota)
			}
		}
	})
}

func Test07StatisticsOfUnknownUser(t *testing.T) {
	named(t, func(t *testing.T, s *carrel.Server, ada *carrel.Person) {
		if res := ada.Must(404, "GET", "/instances/4711", nil, nil); res.Code() != "not_found" {
			t.Errorf("code %q", res.Code())
		}
		if res := ada.Must(404, "GET", "/instance", nil, nil); res.Code() != "not_found" {
			t.Errorf("code %q", res.Code())
		}
	})
}

func Test08StatisticsOfAll(t *testing.T) {
	named(t, func(t *testing.T, s *carrel.Server, ada *carrel.Person) {
		bob := s.Add(ada, "bob")
		want := map[string]bool{put(t, ada).ID: true, put(t, bob).ID: true}
		var list struct{ Items []instance }
		ada.Must(200, "GET", "/instances", nil, &list)
		for _, i := range list.Items {
			delete(want, i.ID)
		}
		if len(list.Items) != 2 || len(want) != 0 {
			t.Errorf("got %+v", list.Items)
		}
		bob.Must(403, "GET", "/instances", nil, nil)
	})
}

func Test09ClaudeProcessIsCounted(t *testing.T) {
	named(t, func(t *testing.T, s *carrel.Server, ada *carrel.Person) {
		put(t, ada)
		id := newSession(ada, "demo")
		ws := ada.Dial()
		ws.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
		ws.WaitEvent("ready", id, 0, func(e carrel.Event) bool { return e.Type == "carrel.state" && e.State == "ready" })
		var i instance
		ada.Must(200, "GET", "/instance", nil, &i)
		if i.ActiveProcesses != 1 || len(i.Processes) != 1 || i.Processes[0].Kind != "claude" || i.Processes[0].SessionID != id || i.Processes[0].PID <= 0 {
			t.Fatalf("processes %d %+v; want one claude of %s", i.ActiveProcesses, i.Processes, id)
		}
		ws.Close()
		ada.Must(204, "DELETE", "/sessions/"+id, nil, nil)
		ada.Must(200, "GET", "/instance", nil, &i)
		if i.ActiveProcesses != 0 || len(i.Processes) != 0 {
			t.Errorf("after its end: processes %d %+v; want none", i.ActiveProcesses, i.Processes)
		}
	})
}

func Test10HealthyAtFirst(t *testing.T) {
	named(t, func(t *testing.T, s *carrel.Server, ada *carrel.Person) {
		if i := put(t, ada); i.Health.Status != "healthy" || i.Health.ConsecutiveFailures != 0 {
			t.Errorf("health %+v", i.Health)
		}
	})
}

func Test11KilledSupervisorIsReplaced(t *testing.T) {
	for _, rt := range []string{"oci", "bare"} {
		t.Run(rt, func(t *testing.T) {
			s := carrel.Start(t, "CARREL_RUNTIME="+rt, "CARREL_POOL_HEALTH_INTERVAL=200ms")
			ada := s.Setup("ada")
			made := put(t, ada)
			// A check leaves it healthy.
			carrel.Await(t, "a check", func() error {
				var i instance
				ada.Must(200, "GET", "/instance", nil, &i)
				if i.Health.Status != "healthy" || i.Health.ConsecutiveFailures != 0 {
					t.Fatalf("health %+v", i.Health)
				}
				if i.Health.LastCheckAt <= made.Health.LastCheckAt {
					return fmt.Errorf("last check %s", i.Health.LastCheckAt)
				}
				return nil
			})
			killed := supervisors(t, s)
			if len(killed) != 1 {
				t.Fatalf("supervisors %v; want one", killed)
			}
			if err := syscall.Kill(killed[0], syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			carrel.Await(t, "a replacement", func() error {
				var i instance
				if res := ada.Do("GET", "/instance", nil, &i); res.StatusCode != 200 {
					return fmt.Errorf("%s %s", res.Status, res.Text)
				}
				if i.ID == made.ID || i.Status != "active" || i.Health.Status != "healthy" {
					return fmt.Errorf("still %+v", i)
				}
				return nil
			})
			if now := supervisors(t, s); len(now) != 1 || now[0] == killed[0] {
				t.Errorf("supervisors %v; want one other than %v", now, killed)
			}
		})
	}
}

func Test12DestroyLeavesNothing(t *testing.T) {
	named(t, func(t *testing.T, s *carrel.Server, ada *carrel.Person) {
		i := put(t, ada)
		id := newSession(ada, "demo")
		ws := ada.Dial()
		ws.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
		ws.WaitEvent("ready", id, 0, func(e carrel.Event) bool { return e.Type == "carrel.state" && e.State == "ready" })
		ws.Close()
		ada.Must(204, "DELETE", "/instance", nil, nil)
		ada.Must(404, "GET", "/instance", nil, nil)
		if pids := supervisors(t, s); len(pids) != 0 {
			t.Errorf("supervisors left: %v", pids)
		}
		for _, left := range carrel.Leftovers(s.DataDir) {
			if strings.HasPrefix(left, "mount ") || strings.HasPrefix(left, "cgroup ") || strings.HasPrefix(left, "loop ") || strings.Contains(left, i.ID) || strings.Contains(left, "claude") {
				t.Errorf("left: %s", left)
			}
		}
	})
}

func Test13DestroyWhatIsNotThere(t *testing.T) {
	named(t, func(t *testing.T, s *carrel.Server, ada *carrel.Person) {
		for _, path := range []string{"/instance", "/instances/4711"} {
			if res := ada.Must(404, "DELETE", path, nil, nil); res.Code() != "not_found" {
				t.Errorf("%s: code %q", path, res.Code())
			}
		}
	})
}

func Test14QuotaOfZeroRefuses(t *testing.T) {
	named(t, func(t *testing.T, s *carrel.Server, ada *carrel.Person) {
		setInstances(t, ada, 0)
		res := ada.Do("PUT", "/instance", nil, nil)
		if res.StatusCode/100 != 4 || res.Code() != "quota_exceeded" {
			t.Errorf("got %s %s; want quota_exceeded", res.Status, res.Text)
		}
		ada.Must(404, "GET", "/instance", nil, nil)
	})
}

func Test15WithinTheQuotaItSucceeds(t *testing.T) {
	named(t, func(t *testing.T, s *carrel.Server, ada *carrel.Person) {
		setInstances(t, ada, 0)
		setInstances(t, ada, 1)
		put(t, ada)
	})
}

// setInstances changes one limit and leaves the others.
func setInstances(t *testing.T, p *carrel.Person, n int) {
	t.Helper()
	var u struct {
		Quota map[string]any `json:"quota"`
	}
	path := "/users/" + strconv.FormatInt(p.ID, 10)
	p.Must(200, "GET", path, nil, &u)
	u.Quota["instances"] = n
	p.Must(200, "PUT", path+"/quota", u.Quota, nil)
}

// newSession makes a project and a session in it.
func newSession(p *carrel.Person, project string) string {
	p.Do("POST", "/projects", map[string]any{"name": project}, nil) // it may be there
	var s struct {
		ID string `json:"id"`
	}
	p.Must(201, "POST", "/sessions", map[string]any{"project": project}, &s)
	return s.ID
}

// supervisors finds the pids, on the host, of this server's supervisors.
func supervisors(t *testing.T, s *carrel.Server) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	want := [][]byte{[]byte(carrel.StateDir(s.DataDir)), []byte(s.DataDir)}
	instances, _ := filepath.Glob(carrel.StateDir(s.DataDir) + "/instances/i-*")
	for _, i := range instances {
		want = append(want, []byte(filepath.Base(i)))
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		cmdline, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		args := bytes.Split(bytes.TrimRight(cmdline, "\x00"), []byte{0})
		if len(args) < 2 || string(args[1]) != "supervisor" {
			continue
		}
		env, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		for _, w := range want {
			if bytes.Contains(env, w) {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}
