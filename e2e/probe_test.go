package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// task and outcome are the probe's, see e2e/probe.
type task struct {
	Name string   `json:"name"`
	Op   string   `json:"op"`
	Args []string `json:"args,omitempty"`
}

type outcome struct {
	Name   string `json:"name"`
	Got    bool   `json:"got"`
	Detail string `json:"detail"`
	Broken bool   `json:"broken"`
	MS     int64  `json:"ms"`
}

// probeProgram builds the probe once, without anything that it would need
// inside, and keeps it in memory.
var probeProgram = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "carrel-probe-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, "probe"), "./probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the probe: %w\n%s", err, out)
	}
	return os.ReadFile(filepath.Join(dir, "probe"))
})

func probeBytes(t testing.TB) []byte {
	t.Helper()
	b, err := probeProgram()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// place puts the probe into a person's workspace, as they would.
func place(t testing.TB, p *carrel.Person) {
	t.Helper()
	p.Must(201, "PUT", "/files/content?path=probe", bytes.NewReader(probeBytes(t)), nil)
	if r := command(t, p, "", "chmod", "755", "probe"); r.ExitCode != 0 {
		t.Fatalf("chmod: %+v", r)
	}
}

// result is the answer of POST /commands.
type result struct {
	ExitCode  int     `json:"exit_code"`
	Stdout    string  `json:"stdout"`
	Stderr    string  `json:"stderr"`
	Truncated bool    `json:"truncated"`
	DurationS float64 `json:"duration_s"`
}

// command runs a command inside.
func command(t testing.TB, p *carrel.Person, stdin string, argv ...string) result {
	t.Helper()
	return commandFor(t, p, 50*time.Second, stdin, argv...)
}

func commandFor(t testing.TB, p *carrel.Person, patience time.Duration, stdin string, argv ...string) result {
	t.Helper()
	var r result
	p.Must(200, "POST", "/commands", map[string]any{"argv": argv, "stdin": stdin, "timeout_s": patience.Seconds()}, &r)
	return r
}

// inside does tasks in the person's instance.
func inside(t testing.TB, p *carrel.Person, tasks []task) map[string]outcome {
	t.Helper()
	r := command(t, p, lines(t, tasks), "./probe", "run")
	if r.ExitCode != 0 || r.Truncated {
		t.Fatalf("probe: exit code %d, truncated %v: %s", r.ExitCode, r.Truncated, r.Stderr)
	}
	return outcomes(t, tasks, r.Stdout)
}

// outside does tasks on the host, as a uid without privileges, or as root.
// Descriptor 3 is the probe, 4 and on are the folders: the way to them may be
// closed to the uid, which must not be what refuses it.
func outside(t testing.TB, uid int, folders []string, tasks []task) map[string]outcome {
	t.Helper()
	path := filepath.Join(t.TempDir(), "probe")
	if err := os.WriteFile(path, probeBytes(t), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/fd/3", "run")
	cmd.Env = []string{}
	cmd.Stdin = strings.NewReader(lines(t, tasks))
	for _, name := range append([]string{path}, folders...) {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid), Groups: []uint32{}}}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("probe as uid %d: %v %s", uid, err, stderr.String())
	}
	return outcomes(t, tasks, string(out))
}

func lines(t testing.TB, tasks []task) string {
	t.Helper()
	var b strings.Builder
	for _, k := range tasks {
		if err := json.NewEncoder(&b).Encode(k); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func outcomes(t testing.TB, tasks []task, text string) map[string]outcome {
	t.Helper()
	all := map[string]outcome{}
	s := bufio.NewScanner(strings.NewReader(text))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var o outcome
		if err := json.Unmarshal(s.Bytes(), &o); err != nil {
			t.Fatalf("the probe said %q: %v", s.Text(), err)
		}
		if o.Broken {
			t.Errorf("probe %q did not work: %s", o.Name, o.Detail)
		}
		if o.MS > 1000 {
			t.Logf("probe %q took %d ms: %s", o.Name, o.MS, o.Detail)
		}
		all[o.Name] = o
	}
	for _, k := range tasks {
		if _, ok := all[k.Name]; !ok {
			t.Errorf("no outcome of %q; the last line was %.300q", k.Name, text[max(0, len(text)-300):])
		}
	}
	if len(all) != len(tasks) {
		t.Errorf("%d outcomes of %d tasks: two have one name", len(all), len(tasks))
	}
	return all
}

// hostProcesses finds processes on the host by a text of their command line.
func hostProcesses(text string) []int {
	var pids []int
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range found {
		b, _ := os.ReadFile(f)
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f))); err == nil && pid != os.Getpid() && bytes.Contains(b, []byte(text)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// role finds the server's other processes: "keeper", "gateway".
func role(t testing.TB, s *carrel.Server, name string) int {
	t.Helper()
	var pid int
	carrel.Await(t, "the "+name, func() error {
		for _, p := range hostProcesses("carrel\x00" + name) {
			env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p))
			if err == nil && bytes.Contains(env, []byte(carrel.StateDir(s.DataDir))) {
				pid = p
				return nil
			}
		}
		return fmt.Errorf("no process")
	})
	return pid
}
