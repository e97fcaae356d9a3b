package boot

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/keeper"
	"github.com/carrel-dev/carrel/internal/store"
)

// As configured.
const serverUID, gatewayUID = 1073741822, 1073741823

const patience = 10 * time.Second

// The test binary is each of Carrel's processes, as far as boot starts them,
// and whoever tries something as another user.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "keeper":
			asKeeper()
			return
		case "gateway":
			for parent := os.Getppid(); parent > 1 && os.Getppid() == parent; { // the keeper ends it, or is killed itself
				time.Sleep(20 * time.Millisecond)
			}
			return
		case "server":
			asServer()
			return
		case "tools":
			return
		}
	}
	if what := os.Getenv("BOOT_TEST"); what != "" {
		var h House
		if err := json.Unmarshal([]byte(os.Getenv("BOOT_TEST_HOUSE")), &h); err != nil {
			panic(err)
		}
		if err := children[what](h); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

var children = map[string]func(House) error{
	"drop": dropAndOpen,
	"become": func(h House) error {
		return h.BecomeServer([]string{"--listener", "7"}, []string{"CARREL_LISTEN=x"})
	},
	"hold":   func(h House) error { return hold(h, false) },
	"clutch": func(h House) error { return hold(h, true) },
	"hostile": func(h House) error {
		for name, try := range hostile(h) {
			if err := try(); err == nil {
				fmt.Println(name)
			}
		}
		return nil
	},
}

// asKeeper is the real keeper, with the runtime that needs nothing.
func asKeeper() {
	var c keeper.Config
	if err := json.Unmarshal([]byte(os.Getenv(KeeperEnv)), &c); err != nil {
		panic(err)
	}
	if err := keeper.Main(context.Background(), c, slog.New(slog.NewTextHandler(os.Stderr, nil))); err != nil {
		panic(err)
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // the race detector would take a second to end
}

// asServer tells what it is.
func asServer() {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	dir, err := os.Getwd()
	if err != nil {
		dir = err.Error() // it may not be able to walk there
	}
	fmt.Printf("%v\n%v\n%s\n%s", os.Args, os.Environ(), dir, b)
	letter := byte('x')
	for name, request := range map[string]uintptr{"TIOCSTI": unix.TIOCSTI, "TIOCSTI with a high half": unix.TIOCSTI | 1<<32, "TIOCLINUX": tioclinux, "TCGETS": unix.TCGETS} {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, 0, request, uintptr(unsafe.Pointer(&letter)))
		fmt.Printf("%s: %s\n", name, errno)
	}
}

func dropAndOpen(h House) error {
	if err := h.DropToServer(); err != nil {
		return err
	}
	db, err := store.Open(context.Background(), "carrel.db", slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	if err := syscall.Setuid(0); err == nil {
		return fmt.Errorf("there is a way back to root")
	}
	if _, err := os.ReadDir("secrets"); err == nil {
		return fmt.Errorf("the server can read the secrets")
	}
	fmt.Print("opened")
	return nil
}

// hold is a server that runs until SIGTERM, or does not listen to it.
func hold(h House, deaf bool) error {
	if deaf {
		signal.Ignore(syscall.SIGTERM)
	}
	if _, err := h.Lock(); err != nil {
		return err
	}
	fmt.Println("locked")
	time.Sleep(time.Minute)
	return nil
}

// hostile is what a server that was broken into would try. Each that succeeds
// is named.
func hostile(h House) map[string]func() error {
	data := func(name string) string { return filepath.Join(h.DataDir, name) }
	tries := map[string]func() error{
		"made a file in secrets": func() error { return os.WriteFile(data("secrets/gateway.json"), nil, 0o600) },
		"read secrets":           func() error { _, err := os.ReadDir(data("secrets")); return err },
		"read gateway.json":      func() error { _, err := os.ReadFile(data("secrets/gateway.json")); return err },
		"made a volume":          func() error { return os.WriteFile(data("volumes/user-1.img"), nil, 0o600) },
		"made a workspace":       func() error { return os.Symlink("/etc", data("workspaces/user-1")) },
		"took the sticky bit":    func() error { return os.Chmod(h.DataDir, 0o777) },
		"took the lock away":     func() error { return os.Remove(data("server.lock")) },
		"wrote the lock":         func() error { return os.WriteFile(data("server.lock"), []byte("x"), 0o600) },
		"replaced the settings":  func() error { return os.Rename(data("carrel.db"), data("carrel.yaml")) },
	}
	for _, name := range []string{"volumes", "secrets", "workspaces", "gateway", "server.lock", "carrel.yaml"} {
		tries["renamed "+name] = func() error { return os.Rename(data(name), data(name+".old")) }
		tries["removed "+name] = func() error { return os.RemoveAll(data(name)) }
		tries["put a link over "+name] = func() error {
			if err := os.Symlink("/etc", data("link")); err != nil {
				return err
			}
			defer os.Remove(data("link"))
			return os.Rename(data("link"), data(name))
		}
		tries["put a folder over "+name] = func() error {
			if err := os.Mkdir(data("folder"), 0o700); err != nil {
				return err
			}
			defer os.Remove(data("folder"))
			return os.Rename(data("folder"), data(name))
		}
	}
	for _, name := range []string{"instances", "gateway", "keeper.lock", "keeper.log", "bin"} {
		path := filepath.Join(h.StateDir, name)
		tries["renamed the state's "+name] = func() error { return os.Rename(path, path+".old") }
		tries["removed the state's "+name] = func() error { return os.RemoveAll(path) }
		tries["made a file in the state's "+name] = func() error { return os.WriteFile(path+"/planted", nil, 0o600) }
	}
	tries["made a file in the state folder"] = func() error { return os.WriteFile(h.StateDir+"/tools.json", nil, 0o600) }
	return tries
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("this test makes files and processes of other users: run it as root")
	}
}

// house is one of its own, not yet prepared. Everybody can walk to its folders.
func house(t *testing.T) House {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "boot-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return House{DataDir: filepath.Join(dir, "data"), StateDir: filepath.Join(dir, "state"), ServerUID: serverUID, GatewayUID: gatewayUID}
}

func prepared(t *testing.T) House {
	t.Helper()
	h := house(t)
	if err := h.Prepare(); err != nil {
		t.Fatal(err)
	}
	return h
}

// child is this program again, as a user, to do one of the things above.
func child(t *testing.T, h House, what string, uid int) *exec.Cmd {
	t.Helper()
	b, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = []string{"BOOT_TEST=" + what, "BOOT_TEST_HOUSE=" + string(b), "GORACE=atexit_sleep_ms=0"}
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid), Groups: []uint32{}}}
	return cmd
}

// holding starts a server that holds the lock.
func holding(t *testing.T, h House, what string) *exec.Cmd {
	t.Helper()
	cmd := child(t, h, what, os.Getuid())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line := make([]byte, 64)
	if n, err := out.Read(line); err != nil || strings.TrimSpace(string(line[:n])) != "locked" {
		t.Fatalf("the child said %q, %v", line[:n], err)
	}
	return cmd
}
