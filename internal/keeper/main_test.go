package keeper

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/carrel-dev/carrel/internal/fault"
)

// The test binary is its own child: a caller of a keeper, one that waits for
// the keeper's lock, or the gateway that a keeper starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "gateway" {
		fakeGateway()
		return
	}
	if socket := os.Getenv("KEEPER_TEST_CALL"); socket != "" {
		callAlone(socket)
		return
	}
	if dir := os.Getenv("KEEPER_TEST_LOCK"); dir != "" {
		holdLock(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// patience is for what should take milliseconds.
const patience = 10 * time.Second

var quiet = slog.New(slog.DiscardHandler)

// needRoot fails: a test that is skipped shows nothing.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("this test makes processes of other users: run it as root")
	}
}

// openDir is a folder that every uid can walk to, which a test's own is not.
func openDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "keeper-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// child is this program again, as another user.
func child(t *testing.T, uid int, env ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = append(env, "GORACE=atexit_sleep_ms=0")
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid), Groups: []uint32{}}}
	return cmd
}

func askStatus(socket string) string {
	c := NewClient(filepath.Dir(socket), "oci")
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	st, err := c.Status(ctx)
	if err != nil {
		return string(fault.CodeOf(err))
	}
	return st.Version
}

func callAlone(socket string) { fmt.Print(askStatus(socket)) }

func holdLock(dir string) {
	if _, err := Lock(context.Background(), dir); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("locked")
	select {} // until it is killed
}

// fakeGateway does what its setting says, and leaves a line each time it starts.
func fakeGateway() {
	var c struct{ Trace, Socket string }
	if err := json.Unmarshal([]byte(os.Getenv(GatewayEnv)), &c); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	f, err := os.OpenFile(c.Trace, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Fprintf(f, "%d %d %d %v\n", os.Getpid(), os.Getuid(), os.Getgid(), os.Environ())
	f.Close()
	if c.Socket != "" {
		if _, err := net.Listen("unix", c.Socket); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	select {} // until it is killed
}

// await polls until the condition holds.
func await(t testing.TB, what string, holds func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ok, seen := holds()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s; last seen: %s", what, patience, seen)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func running(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z")
}
