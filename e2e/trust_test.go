package e2e

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// upstream is a Messages API that remembers which keys it was sent, with the
// scripted model behind it. It tells the key in the answers' headers, and to who
// asks for it in the text of an error, as an API that is wrongly set up might.
type upstream struct {
	url string

	mu   sync.Mutex
	keys map[string]int
}

const tellKey = "tell me the key"

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	cmd := exec.Command(carrel.Binary(t), "scripted-model", "--listen", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }) // how it ends is nobody's matter
	line := make([]byte, 200)
	n, err := out.Read(line)
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(string(line[:n]))
	if err != nil || address == "" {
		t.Fatalf("the scripted model said %q: %v", line[:n], err)
	}
	u := &upstream{keys: map[string]int{}}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	proxy.FlushInterval = -1
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) } // who asked has gone
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("X-Api-Key")
		u.mu.Lock()
		u.keys[key]++
		u.mu.Unlock()
		w.Header().Set("X-Your-Key", key)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if bytes.Contains(body, []byte(tellKey)) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"type":"error","error":{"type":"invalid_request_error","message":"The key %s may not do this."}}`, key)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	u.url = srv.URL
	return u
}

func (u *upstream) seen() map[string]int {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := map[string]int{}
	for k, n := range u.keys {
		out[k] = n
	}
	return out
}

// status reads fields of /proc/<pid>/status.
func status(t *testing.T, pid int) map[string]string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		out[name] = strings.TrimSpace(value)
	}
	return out
}

func TestThreeProcessesThreeUsers(t *testing.T) {
	t.Parallel()
	s := carrel.Start(t)
	s.Setup("ada")
	uids := map[string]string{}
	for name, pid := range map[string]int{"server": s.Pid(), "gateway": role(t, s, "gateway"), "keeper": role(t, s, "keeper")} {
		st := status(t, pid)
		four := strings.Fields(st["Uid"])
		uids[name] = four[0]
		for _, id := range append(four, strings.Fields(st["Gid"])...) {
			if id != four[0] {
				t.Errorf("%s: uids %s, gids %s; want one number", name, st["Uid"], st["Gid"])
			}
		}
		if name == "keeper" {
			continue
		}
		if st["Groups"] != "" {
			t.Errorf("%s is in groups %s", name, st["Groups"])
		}
		for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
			if strings.Trim(st[set], "0") != "" {
				t.Errorf("%s has capabilities: %s %s", name, set, st[set])
			}
		}
		// Every thread has its own.
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		if err != nil || len(threads) == 0 {
			t.Fatalf("threads of %s: %v %v", name, threads, err)
		}
		for _, path := range threads {
			if b, err := os.ReadFile(path); err == nil && !bytes.Contains(b, []byte("NoNewPrivs:\t1")) {
				t.Errorf("%s may get new privileges: %s", name, path)
			}
		}
	}
	if uids["keeper"] != "0" || uids["server"] == "0" || uids["gateway"] == "0" || uids["server"] == uids["gateway"] {
		t.Errorf("uids %v; want root for the keeper alone, and no two the same", uids)
	}
}

// secretServer is one with a key, whose every other file is small.
func secretServer(t *testing.T, u *upstream, key string) *carrel.Server {
	t.Helper()
	return carrel.Start(t, "CARREL_GATEWAY_API_KEY="+key, "CARREL_GATEWAY_BASE_URL="+u.url, fmt.Sprintf("CARREL_QUOTA_STORAGE_BYTES=%d", 96*mib), "CARREL_LOG_LEVEL=debug")
}

func TestTheKeyStaysWithTheGateway(t *testing.T) {
	t.Parallel()
	// Not a text of this program's own memory image or command line: made here.
	key := "sk-ant-test-" + strconv.FormatInt(time.Now().UnixNano(), 36) + "-abcdefghijklmnop"
	u := newUpstream(t)
	s := secretServer(t, u, key)
	ada := s.Setup("ada")
	put(t, ada)
	place(t, ada)
	session := newSession(ada, "demo")
	ws := ada.Dial()
	ws.Send(map[string]any{"type": "subscribe", "session_id": session, "after": 0})
	if r, _ := ws.Turn(session, "p1", "[say 5] [echo my key is "+key[:11]+"]"); r.IsError {
		t.Fatalf("turn: %+v", r)
	}
	if r, _ := ws.Turn(session, "p2", tellKey); !strings.Contains(r.Result, "may not do this") || !strings.Contains(r.Result, "***") {
		t.Errorf("the error came as %q; want the key masked", r.Result)
	}

	for got, n := range u.seen() {
		if got != key {
			t.Errorf("%d requests came with the key %q", n, got)
		}
	}
	if u.seen()[key] == 0 {
		t.Error("no request came with the key")
	}

	t.Run("processes", func(t *testing.T) {
		looked := 0
		for _, what := range []string{"environ", "cmdline"} {
			files, _ := filepath.Glob("/proc/[0-9]*/" + what)
			for _, f := range files {
				b, err := os.ReadFile(f)
				if err == nil && bytes.Contains(b, []byte(key)) {
					t.Errorf("the key is in %s", f)
				}
				looked++
			}
		}
		if looked < 10 {
			t.Errorf("looked at %d files only", looked)
		}
		for name, pid := range map[string]int{"server": s.Pid(), "keeper": role(t, s, "keeper"), "supervisor": supervisors(t, s)[0]} {
			if inMemory(t, pid, key) {
				t.Errorf("the key is in the memory of the %s", name)
			}
		}
		if !inMemory(t, role(t, s, "gateway"), key) {
			t.Error("the key is not in the gateway's memory either: the search does not work")
		}
	})
	t.Run("files and logs", func(t *testing.T) {
		if strings.Contains(s.Output(), key) {
			t.Error("the server printed the key")
		}
		secrets := filepath.Join(s.DataDir, "secrets")
		found := holders(t, key, s.DataDir, carrel.StateDir(s.DataDir))
		for _, f := range found {
			if filepath.Dir(f) != secrets {
				t.Errorf("the key is in %s", f)
			}
		}
		if len(found) == 0 {
			t.Error("the key is in no file at all: the search does not work")
		}
	})
	t.Run("inside", func(t *testing.T) {
		got := inside(t, ada, []task{{"key", "search", []string{key, "/proc", "/etc", "/home", "/run", "/tmp", "/var", "/opt", "/dev"}}, {"processes", "see", []string{key}}, {"search works", "search", []string{"sk-ant", "/home"}}})
		for _, name := range []string{"key", "processes"} {
			if got[name].Got {
				t.Errorf("inside, the key is in %s", got[name].Detail)
			}
		}
		if !got["search works"].Got {
			t.Errorf("the search inside finds nothing: %s", got["search works"].Detail)
		}
	})
	t.Run("API", func(t *testing.T) {
		for _, path := range []string{"/me", "/instance", "/sessions", "/sessions/" + session + "/events?after=0", "/users", "/openapi.json"} {
			if res := ada.Do("GET", path, nil, nil); strings.Contains(res.Text, key) {
				t.Errorf("GET %s tells the key", path)
			}
		}
	})
	t.Run("the server's user", func(t *testing.T) { serversUser(t, s) })
}

// inMemory looks through all the memory of a process.
func inMemory(t *testing.T, pid int, text string) bool {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	const step = 4 * mib
	buf := make([]byte, step+len(text))
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil || !strings.HasPrefix(mode, "rw") {
			continue
		}
		for ; from < to; from += step {
			n, _ := mem.ReadAt(buf[:min(int64(len(buf)), to-from)], from) // what was given back meanwhile is not there
			if bytes.Contains(buf[:n], []byte(text)) {
				return true
			}
		}
	}
	return false
}

// holders names files below the folders that hold a text, volumes' images read
// as they are on disk.
func holders(t *testing.T, text string, roots ...string) []string {
	t.Helper()
	var found []string
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil //nolint:nilerr // gone meanwhile
			}
			if strings.Contains(path, text) {
				found = append(found, path)
			}
			if d.IsDir() && strings.HasSuffix(path, "/rootfs") { // the system's programs
				return filepath.SkipDir
			}
			if !d.Type().IsRegular() {
				return nil
			}
			b, err := os.ReadFile(path)
			if err == nil && bytes.Contains(b, []byte(text)) {
				found = append(found, path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// serversUser tries, as the uid of the process that speaks to browsers, to get
// at the key.
func serversUser(t *testing.T, s *carrel.Server) {
	gateway := role(t, s, "gateway")
	uid, err := strconv.Atoi(strings.Fields(status(t, s.Pid())["Uid"])[0])
	if err != nil {
		t.Fatal(err)
	}
	const data = "/proc/self/fd/4"
	secret := []task{{"file", "read", []string{data + "/secrets/gateway.json"}}, {"folder", "read", []string{data + "/secrets"}}, {"write", "write", []string{data + "/secrets/gateway.json"}},
		{"in its place", "create", []string{data + "/secrets"}}, {"another folder", "replace", []string{data + "/secrets"}}, {"spool", "read", []string{data + "/gateway"}}}
	for _, what := range []string{"mem", "environ", "maps", "fd", "root", "cwd", "ptrace", "vm", "steal"} {
		secret = append(secret, task{"gateway's " + what, "enter", []string{strconv.Itoa(gateway), "gateway", what}})
	}
	others := []task{
		{"signal the gateway", "signals", []string{strconv.Itoa(gateway), "gateway", "0", "1", "15"}}, {"signal the keeper", "signals", []string{strconv.Itoa(role(t, s, "keeper")), "keeper", "0", "1", "15"}},
		{"other folder for volumes", "replace", []string{data + "/volumes"}}, {"look into volumes", "read", []string{data + "/volumes"}}, {"workspace", "read", []string{data + "/volumes/user-1/home"}},
		{"shadow", "read", []string{"/etc/shadow"}}, {"capability", "become", []string{"setuid"}},
		{"hand sockets in", "dial", []string{"unix", filepath.Join(carrel.StateDir(s.DataDir), "gateway/handoff.sock")}},
		{"instance's way to the model", "dial", []string{"unix", one(t, filepath.Join(carrel.StateDir(s.DataDir), "instances/*/sockets/gateway.sock"))}},
	}
	folders := []string{s.DataDir}
	for name, o := range outside(t, uid, folders, append(secret, others...)) {
		// The handoff socket takes every connection and asks the kernel who it is.
		if o.Got && name != "hand sockets in" {
			t.Errorf("%s: not refused to the server's user: %s", name, o.Detail)
		}
	}
	// What is its own it can have: the way there is open.
	own := []task{{"database", "write", []string{data + "/carrel.db"}}, {"keeper", "dial", []string{"unix", filepath.Join(carrel.StateDir(s.DataDir), "keeper.sock")}}}
	for name, o := range outside(t, uid, folders, own) {
		if !o.Got {
			t.Errorf("%s: refused to the server's user: %s", name, o.Detail)
		}
	}
	// And root, which has the right, gets it all by the same attempts.
	for name, o := range outside(t, 0, folders, secret) {
		if !o.Got {
			t.Errorf("%s: does not work for root, and proves nothing: %s", name, o.Detail)
		}
	}
}

func one(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("nothing is %s: %v", pattern, err)
	}
	return found[0]
}
