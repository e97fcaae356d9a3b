package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// askKeeper sends a request as it is, without Carrel's own client.
func askKeeper(t *testing.T, s *carrel.Server, procedure, body string) (int, string) {
	t.Helper()
	client := http.Client{Timeout: carrel.Patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(carrel.StateDir(s.DataDir), "keeper.sock"))
	}}}
	res, err := client.Post("http://keeper/carrel.keeper/"+procedure, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestWhatTheKeeperRefuses(t *testing.T) {
	t.Parallel()
	s := carrel.Start(t)
	ada := s.Setup("ada")
	i := put(t, ada)
	good := func(change map[string]any) string {
		spec := map[string]any{"id": "i-abcdefghijkl", "user_id": 77, "name": "eve", "language": "en", "live_sessions": 1,
			"limits": map[string]any{"cpu": 1, "memory_bytes": 256 * mib, "pids": 64, "storage_bytes": 64 * mib, "inodes": 2000}}
		for name, v := range change {
			if group, field, ok := strings.Cut(name, "."); ok {
				spec[group].(map[string]any)[field] = v
			} else {
				spec[name] = v
			}
		}
		b, err := json.Marshal(spec)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	type change = map[string]any
	requests := map[string]struct{ procedure, body string }{
		"unknown procedure":       {"Run", `{}`},
		"procedure with a path":   {"../../etc/passwd", `{}`},
		"not JSON":                {"Create", `/bin/sh`},
		"two values":              {"Create", good(nil) + good(nil)},
		"a list":                  {"Create", `[]`},
		"nothing":                 {"Create", `{}`},
		"an id of a path, usage":  {"Usage", `{"id":"../../../etc"}`},
		"an id of a path, end":    {"Destroy", `{"id":"i-../../../..12"}`},
		"an id of another form":   {"Destroy", `{"id":"I-ABCDEFGHIJKL"}`},
		"an id with a line's end": {"Destroy", `{"id":"` + i.ID + `\n"}`},
		"an id that is not there": {"Destroy", `{"id":"i-000000000000"}`},
		"a volume of nobody":      {"DeleteVolume", `{"user_id":0}`},
		"a volume below nobody":   {"DeleteVolume", `{"user_id":-1}`},
		"a volume of too many":    {"DeleteVolume", `{"user_id":4294967296}`},
		"a volume in use":         {"DeleteVolume", fmt.Sprintf(`{"user_id":%d}`, ada.ID)},
		"a volume by a text":      {"DeleteVolume", `{"user_id":"1"}`},
		"a volume by its path":    {"DeleteVolume", `{"user_id":1,"path":"/"}`},
		"resize to nothing":       {"Resize", `{"id":"` + i.ID + `","limits":{"cpu":0,"memory_bytes":0,"pids":0,"storage_bytes":0,"inodes":0}}`},
		"resize with more":        {"Resize", `{"id":"` + i.ID + `","limits":{"cpu":1,"memory_bytes":268435456,"pids":64,"storage_bytes":67108864,"inodes":2000,"devices":"all"}}`},
		"stop with more":          {"Stop", `{"instances":true,"gateway":true,"host":true}`},
		"list with more":          {"List", `{"path":"/"}`},
	}
	for name, c := range map[string]change{
		"a field uid": {"uid": 0}, "a field uid_base": {"uid_base": 0}, "a field command": {"command": []string{"/bin/sh"}}, "a field rootfs": {"rootfs": "/"}, "a field mounts": {"mounts": []string{"/"}},
		"a field in limits": {"limits.devices": "all"}, "an id of a path": {"id": "../../etc/cron.d/x"}, "an id too long": {"id": "i-abcdefghijklm"}, "an id in capitals": {"id": "i-ABCDEFGHIJKL"}, "no id": {"id": ""},
		"an id with a zero byte": {"id": "i-abcdefghijk\x00"}, "an id with a line's end": {"id": "i-abcdefghijkl\n"}, "a name of a path": {"name": "../ada"}, "a name of dots": {"name": ".."}, "a name with a slash": {"name": "a/b"},
		"a name with a colon": {"name": "eve:x:0:0"}, "a name with a line": {"name": "eve\nroot2"}, "the name root": {"name": "root"}, "no name": {"name": ""}, "a long name": {"name": strings.Repeat("a", 32)}, "a name in capitals": {"name": "Eve"},
		"user 0": {"user_id": 0}, "user -1": {"user_id": -1}, "a user beyond the ranges": {"user_id": 16_001}, "a user beyond 32 bits": {"user_id": int64(1)<<32 + 77}, "a user of a fraction": {"user_id": 1.5}, "a user of a text": {"user_id": "77"},
		"a language of a path": {"language": "../../x"}, "sessions below none": {"live_sessions": -1}, "cpu 0": {"limits.cpu": 0}, "cpu below 0": {"limits.cpu": -1}, "too much cpu": {"limits.cpu": 1e9}, "no memory": {"limits.memory_bytes": 0},
		"memory below 0": {"limits.memory_bytes": -1}, "too much memory": {"limits.memory_bytes": int64(1) << 60}, "no pids": {"limits.pids": 0}, "pids below 0": {"limits.pids": -1}, "too many pids": {"limits.pids": int64(1) << 40},
		"no storage": {"limits.storage_bytes": 0}, "storage below 0": {"limits.storage_bytes": -1}, "too much storage": {"limits.storage_bytes": int64(1) << 60}, "no inodes": {"limits.inodes": 0}, "too many inodes": {"limits.inodes": int64(1) << 40},
		"a second instance": {"user_id": ada.ID, "name": "ada"}, "a second instance by another name": {"user_id": ada.ID}, "another's id": {"id": i.ID},
	} {
		requests["create: "+name] = struct{ procedure, body string }{"Create", good(c)}
	}
	for name, r := range requests {
		if code, text := askKeeper(t, s, r.procedure, r.body); code == 200 {
			t.Errorf("%s: not refused: %s %s", name, r.body, text)
		} else if strings.Contains(text, s.DataDir) {
			t.Errorf("%s: the answer tells a path: %s", name, text)
		}
	}
	// The same request without a fault is done: it was the fault that was refused.
	if code, text := askKeeper(t, s, "Create", good(nil)); code != 200 {
		t.Errorf("a request without fault: %d %s", code, text)
	}
	if code, text := askKeeper(t, s, "Destroy", `{"id":"i-abcdefghijkl"}`); code != 200 {
		t.Errorf("destroy: %d %s", code, text)
	}
	if code, text := askKeeper(t, s, "DeleteVolume", `{"user_id":77}`); code != 200 {
		t.Errorf("delete volume: %d %s", code, text)
	}
	var now instance
	if ada.Must(200, "GET", "/instance", nil, &now); now.ID != i.ID || now.Health.Status != "healthy" {
		t.Errorf("ada's instance is %+v", now)
	}
	if left, _ := filepath.Glob(filepath.Join(s.DataDir, "volumes", "*")); len(left) != 2 { // ada's image and mount point
		t.Errorf("volumes: %v", left)
	}
	strangers(t, s)
}

// strangers have the keeper's socket closed to them by its mode, and, were that
// ever wrong, by who they are.
func strangers(t *testing.T, s *carrel.Server) {
	t.Helper()
	path := filepath.Join(carrel.StateDir(s.DataDir), "keeper.sock")
	uidOf := func(pid int) int {
		uid, err := strconv.Atoi(strings.Fields(status(t, pid)["Uid"])[0])
		if err != nil {
			t.Fatal(err)
		}
		return uid
	}
	ask := []task{{"ask", "ask", []string{path, "/carrel.keeper/Status"}}}
	nobody := map[string]int{"nobody": 65534, "the gateway": uidOf(role(t, s, "gateway")), "a person": 1<<30 + 1<<16 + 1000}
	for name, uid := range nobody {
		if o := outside(t, uid, nil, ask)["ask"]; o.Got {
			t.Errorf("%s is answered by the keeper: %s", name, o.Detail)
		}
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	for name, uid := range nobody {
		if o := outside(t, uid, nil, ask)["ask"]; o.Got {
			t.Errorf("%s is answered by the keeper once the mode is wide: %s", name, o.Detail)
		}
	}
	for name, uid := range map[string]int{"root": 0, "the server": uidOf(s.Pid())} {
		if o := outside(t, uid, nil, ask)["ask"]; !o.Got {
			t.Errorf("%s is not answered by the keeper: %s", name, o.Detail)
		}
	}
	if err := os.Chmod(path, 0o660); err != nil {
		t.Fatal(err)
	}
	// Nor may anybody but the keeper hand sockets to the gateway.
	handoff := []task{{"ask", "order", []string{filepath.Join(carrel.StateDir(s.DataDir), "gateway/handoff.sock")}}}
	for name, uid := range map[string]int{"nobody": 65534, "the server": uidOf(s.Pid())} {
		if o := outside(t, uid, nil, handoff)["ask"]; o.Got {
			t.Errorf("the gateway obeys %s: %s", name, o.Detail)
		}
	}
	if o := outside(t, 0, nil, handoff)["ask"]; !o.Got {
		t.Errorf("the gateway does not obey root: %s", o.Detail)
	}
}
