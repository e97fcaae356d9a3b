package keeper

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/gateway"
)

// keeperOf is a keeper whose gateway is this test's binary. trace gets a line
// for each start of it.
func keeperOf(t *testing.T, uid int) (k *keeper, trace string) {
	t.Helper()
	dir := openDir(t)
	trace = filepath.Join(dir, "trace")
	if err := os.WriteFile(trace, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(trace, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "gateway"), 0o711); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(filepath.Join(dir, "gateway"), uid, uid); err != nil {
		t.Fatal(err)
	}
	settings, err := json.Marshal(map[string]string{"Trace": trace, "Socket": filepath.Join(dir, "gateway", gateway.HandoffSocket)})
	if err != nil {
		t.Fatal(err)
	}
	k = &keeper{log: quiet, config: Config{StateDir: dir, GatewayUID: uid, Gateway: settings}}
	t.Cleanup(k.endGateway)
	return k, trace
}

func starts(t *testing.T, trace string) []string {
	t.Helper()
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

func TestGatewayIsStartedOnceAsItsOwnUser(t *testing.T) {
	needRoot(t)
	const uid = 1073741823
	k, trace := keeperOf(t, uid)
	for range 3 { // it is coming up, then there: no second
		if err := k.launchGateway(); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "the gateway answers", func() (bool, string) {
		h, err := k.dialGateway(t.Context())
		if err != nil {
			return false, err.Error()
		}
		return h.Close() == nil, ""
	})
	if err := k.launchGateway(); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%d %d %d [PATH=/usr/local/bin:/usr/bin:/bin %s=%s]", k.child, uid, uid, GatewayEnv, k.config.Gateway)
	if got := starts(t, trace); len(got) != 1 || got[0] != want {
		t.Errorf("starts %q; want one of %q", got, want)
	}
	if k.connected() != k.child {
		t.Errorf("connected to %d; want %d", k.connected(), k.child)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", k.child))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"Groups:\t \n", "CapEff:\t0000000000000000\n", "CapPrm:\t0000000000000000\n", "NoNewPrivs:\t1\n"} {
		if !strings.Contains(string(b), line) {
			t.Errorf("its status lacks %q:\n%s", line, b)
		}
	}
	pid := k.child
	k.endGateway()
	if running(pid) {
		t.Error("it runs after its end")
	}
	if err := k.launchGateway(); err != nil || len(starts(t, trace)) != 1 {
		t.Errorf("after the end: %v, starts %q; want no other", err, starts(t, trace))
	}
}

func TestGatewayThatDiesIsStartedAgainAfterAPause(t *testing.T) {
	k, trace := keeperOf(t, os.Getuid())
	if err := k.launchGateway(); err != nil {
		t.Fatal(err)
	}
	first, at := k.child, time.Now()
	if p, err := os.FindProcess(first); err != nil || p.Kill() != nil {
		t.Fatalf("kill: %v", err)
	}
	await(t, "another is started", func() (bool, string) {
		if err := k.launchGateway(); err != nil {
			t.Fatal(err)
		}
		return k.child != first && k.child != 0, fmt.Sprint(k.child)
	})
	if took := time.Since(at); took < restartPause*9/10 {
		t.Errorf("the next came after %s; want a pause of %s", took, restartPause)
	}
	await(t, "it says so", func() (bool, string) {
		got := starts(t, trace)
		return len(got) > 0 && strings.HasPrefix(got[len(got)-1], fmt.Sprint(k.child, " ")), fmt.Sprint(got)
	})
}

// The folder of the gateway's socket is the gateway's: one that was broken into
// could put a link there to a socket of somebody else's. Root then neither hands
// it descriptors nor, at the end, kills who answered.
func TestWhoAnswersMustBeTheGatewaysUser(t *testing.T) {
	needRoot(t)
	k, _ := keeperOf(t, 1073741823)
	l, err := net.Listen("unix", filepath.Join(k.config.StateDir, "other.sock")) // root's
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Symlink("../other.sock", filepath.Join(k.config.StateDir, "gateway", gateway.HandoffSocket)); err != nil {
		t.Fatal(err)
	}
	if h, err := k.dialGateway(t.Context()); err == nil {
		h.Close()
		t.Error("a process of root's was taken for the gateway")
	}
	if pid := k.connected(); pid != 0 {
		t.Errorf("the gateway's pid is %d; want none", pid)
	}
	// The pid may also have become another's since it was asked for.
	other := exec.CommandContext(t.Context(), "sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Wait()
	defer other.Process.Kill()
	k.gatewayPID = other.Process.Pid
	k.endGateway()
	if !running(other.Process.Pid) {
		t.Error("a process of another user's was killed in the gateway's place")
	}
}
