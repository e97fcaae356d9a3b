package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// earlier is the version that the program of buildEarlier calls itself; it can be found in its file.
const earlier = "v0.0.0-an-earlier-version"

// buildEarlier builds Carrel as it is, under the name of another version, with a program for instances of that version
// in it.
func buildEarlier(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	inside, bin, overlay := filepath.Join(dir, "carrel-inside"), filepath.Join(dir, "carrel"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "internal/inside/bin/carrel-inside"): inside}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, replace, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"-o", inside, "./cmd/carrel-inside"},
		{"-overlay", overlay, "-o", bin, "./cmd/carrel"},
	} {
		cmd := exec.Command("go", append([]string{"build", "-trimpath", "-ldflags", "-s -w -X main.version=" + earlier}, args...)...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build the earlier version: %v\n%s", err, out)
		}
	}
	return bin
}

// isEarlier says whether a process runs the program of buildEarlier.
func isEarlier(t *testing.T, pid int) bool {
	t.Helper()
	program, err := os.ReadFile(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(program, []byte(earlier))
}

// TestUpgrade: after an upgrade a turn runs to its end under the supervisor that it began with; then that gives way to
// one of the new version, and the conversation goes on as if nothing had been.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	// Nothing of it would end by itself: a process that is ready stays for a quarter of an hour.
	s := carrel.StartProgram(t, buildEarlier(t), filepath.Join(t.TempDir(), "data"), "CARREL_POOL_IDLE_TIMEOUT=10s", "CARREL_POOL_HEALTH_INTERVAL=1s")
	ada := s.Setup("ada")
	made := put(t, ada)
	id := newSession(ada, "demo")
	ws := ada.Dial()
	ws.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
	ws.Turn(id, "p1", "[say 3]")
	ws.Send(map[string]any{"type": "prompt", "session_id": id, "id": "p2", "content": "[bash sleep 12] [echo whole]"})
	ws.WaitEvent("the running tool", id, 0, func(e carrel.Event) bool { return e.Type == "system" && e.Subtype == "task_started" })
	before := supervisors(t, s)
	if len(before) != 1 || !isEarlier(t, before[0]) {
		t.Fatalf("supervisors %v; want one, of the earlier version", before)
	}
	s.Signal(syscall.SIGTERM)
	s.Upgrade(carrel.Binary(t))
	s.Serve()
	awaitInstance(t, ada, made)
	results := func() []string { return tell(t, ada, id).results }
	carrel.Await(t, "the end of the turn", func() error {
		// Looked at in this order: what was replaced before the end would be seen.
		now, got := supervisors(t, s), results()
		if len(got) < 2 && !slices.Equal(now, before) {
			t.Fatalf("supervisors %v while a turn runs; want %v", now, before)
		}
		if len(got) < 2 {
			return fmt.Errorf("results %q", got)
		}
		return nil
	})
	if got := results(); got[1] != "whole" {
		t.Errorf("results %q", got)
	}
	var now instance
	carrel.Await(t, "the replacement", func() error {
		pids := supervisors(t, s)
		if len(pids) != 1 || pids[0] == before[0] {
			return fmt.Errorf("supervisors %v", pids)
		}
		ada.Must(200, "GET", "/instance", nil, &now)
		if now.Status != "active" {
			return fmt.Errorf("it is %s", now.Status)
		}
		return nil
	})
	if pids := supervisors(t, s); isEarlier(t, pids[0]) {
		t.Error("the supervisor is of the earlier version still")
	}
	if now.ID != made.ID || now.CreatedAt != made.CreatedAt || now.Health.Status != "healthy" || !strings.Contains(now.Health.Detail, "another version") {
		t.Errorf("got %s of %s, %+v; want %s of %s, and the reason", now.ID, now.CreatedAt, now.Health, made.ID, made.CreatedAt)
	}
	again := ada.Dial()
	again.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
	again.Send(map[string]any{"type": "prompt", "session_id": id, "id": "p3", "content": "[echo on it goes]"})
	carrel.Await(t, "the next turn's result", func() error {
		if got := results(); len(got) != 3 || got[2] != "on it goes" {
			return fmt.Errorf("results %q; want each turn's once", got)
		}
		return nil
	})
	again.CheckOrder()
	if m := get(t, s.URL+"/metrics"); !strings.Contains(m, `carrel_replacements_total{reason="version"} 1`) {
		t.Error("the metrics do not count one replacement")
	}
}

// TestDegraded: a full volume is told to its person, to administrators and to Prometheus, and so is its end.
func TestDegraded(t *testing.T) {
	t.Parallel()
	s := carrel.Start(t, "CARREL_POOL_HEALTH_INTERVAL=1s", "CARREL_QUOTA_STORAGE_BYTES=67108864")
	ada := s.Setup("ada")
	put(t, ada)
	shown := func(status, detail string) {
		t.Helper()
		carrel.Await(t, "health "+status, func() error {
			var own instance
			var all struct {
				Items []instance `json:"items"`
			}
			ada.Must(200, "GET", "/instance", nil, &own)
			ada.Must(200, "GET", "/instances", nil, &all)
			if h := own.Health; h.Status != status || h.Detail == "" != (detail == "") || !strings.Contains(h.Detail, detail) || h.ConsecutiveFailures != 0 || own.Status != "active" {
				return fmt.Errorf("own: %s, %+v", own.Status, h)
			}
			if len(all.Items) != 1 || all.Items[0].Health.Status != status {
				return fmt.Errorf("all: %+v", all.Items)
			}
			if m := get(t, s.URL+"/metrics"); !strings.Contains(m, `carrel_instances_health{health="`+status+`"} 1`) {
				return fmt.Errorf("the metrics do not say so")
			}
			return nil
		})
	}
	shown("healthy", "")
	command(t, ada, "", "sh", "-c", "dd if=/dev/zero of=fill bs=1M || true")
	shown("degraded", "% full. Delete files")
	command(t, ada, "", "rm", "fill")
	shown("healthy", "")
}
