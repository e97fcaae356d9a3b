package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/supervisor/client"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// What follows runs a supervisor as it runs in a container, without one: as PID 1 of namespaces of its own, with two
// users, three capabilities, and a person's folder that it cannot open.

const insideBase = 1 << 30 // of the uids outside

// exitUnconfined says that this machine does not let the sandbox be made, as within most containers.
const exitUnconfined = 77

// insideMain is the supervisor's process in there.
func insideMain(config string, log *slog.Logger) error {
	if err := confine(); err != nil {
		fmt.Fprintln(os.Stderr, "confine:", err)
		os.Exit(exitUnconfined)
	}
	return Main(context.Background(), config, os.NewFile(ListenFD, "socket"), Options{
		Log: log, Version: "inside", Helper: []string{"/proc/self/exe"},
	})
}

// confine does what runc does last: a /proc of the new namespace, a devpts, and all capabilities gone but three.
func confine() error {
	if os.Getenv("CONFINED") != "" {
		return nil
	}
	runtime.LockOSThread() // the set of capabilities is a thread's own, until the exec
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	if err := unix.Mount("devpts", "/dev/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"); err != nil {
		return fmt.Errorf("mount devpts: %w", err)
	}
	if err := unix.Mount("/dev/pts/ptmx", "/dev/ptmx", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind ptmx: %w", err)
	}
	keep := uint32(1<<unix.CAP_KILL | 1<<unix.CAP_SETGID | 1<<unix.CAP_SETUID)
	for c := range uintptr(unix.CAP_LAST_CAP + 1) { // all that the exec must not give back
		if c >= 32 || keep&(1<<c) == 0 {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
				return fmt.Errorf("drop capability %d: %w", c, err)
			}
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	return syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), "CONFINED=1"))
}

// inside starts it and gives a client to it, and the sockets that lead out.
func inside(t *testing.T, claude string) (b *bench, egress, gateway net.Listener) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("needs root to make namespaces with several users")
	}
	// A folder that the mapped users can walk to.
	dir, err := os.MkdirTemp("/tmp", "carrel-inside-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	home, journal := filepath.Join(dir, "home"), filepath.Join(dir, "journal")
	if err := errors.Join(os.Mkdir(home, 0o700), os.Chown(home, insideBase+1000, insideBase+1000),
		os.Mkdir(journal, 0o700), os.Chown(journal, insideBase, insideBase)); err != nil {
		t.Fatal(err)
	}
	listen := func(name string) net.Listener {
		path := filepath.Join(dir, name)
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		if err := errors.Join(os.Chmod(path, 0o600), os.Chown(path, insideBase+1000, insideBase+1000)); err != nil {
			t.Fatal(err)
		}
		return l
	}
	egress, gateway = listen("egress"), listen("gateway")
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	file, err := l.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	config, err := json.Marshal(protocol.Config{
		InstanceID: "i-inside", Name: "ana", Language: "zh-CN", Home: home, JournalDir: journal, RunDir: journal,
		EgressSocket: filepath.Join(dir, "egress"), GatewaySocket: filepath.Join(dir, "gateway"), Claude: claude, LiveSessions: 3,
		PersonUID: 1000, PersonGID: 1000, TreeGIDs: [2]int{20000, 20099},
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{"GOMAXPROCS=2", Variable + "=" + string(config)}
	cmd.ExtraFiles = []*os.File{file}
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:                 syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWIPC,
		UidMappings:                []syscall.SysProcIDMap{{ContainerID: 0, HostID: insideBase, Size: 1}, {ContainerID: 1000, HostID: insideBase + 1000, Size: 1}},
		GidMappings:                []syscall.SysProcIDMap{{ContainerID: 0, HostID: insideBase, Size: 1}, {ContainerID: 5, HostID: insideBase + 5, Size: 1}, {ContainerID: 1000, HostID: insideBase + 1000, Size: 1}, {ContainerID: 20000, HostID: insideBase + 20000, Size: 100}},
		GidMappingsEnableSetgroups: true,
		Credential:                 &syscall.Credential{Uid: 0, Gid: 0},
	}
	b = &bench{t: t, home: home, ended: make(chan error, 1)}
	if err := cmd.Start(); errors.Is(err, syscall.EPERM) {
		t.Fatalf("needs the right to make namespaces: %v", err)
	} else if err != nil {
		t.Fatalf("start in namespaces: %v", err)
	}
	go func() { b.ended <- cmd.Wait() }()
	b.Client = client.New(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	})
	if _, err := b.Ping(b.ctx()); err != nil {
		ended := <-b.ended
		b.Close()
		if cmd.ProcessState.ExitCode() == exitUnconfined {
			t.Fatal("needs the right to mount within namespaces")
		}
		t.Fatalf("ping: %v; the supervisor ended with %v", err, ended)
	}
	t.Cleanup(func() {
		b.Close()
		_ = cmd.Process.Signal(syscall.SIGTERM) // from outside: an orderly end
		select {
		case err := <-b.ended:
			if err != nil {
				t.Errorf("the supervisor ended with %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("the supervisor did not end on TERM")
			_ = cmd.Process.Kill()
			<-b.ended
		}
	})
	return b, egress, gateway
}

func (b *bench) sh(script string) *protocol.CommandResponse {
	b.t.Helper()
	res, err := b.Command(b.ctx(), &protocol.CommandRequest{Argv: []string{"sh", "-c", script}, TimeoutS: 15})
	if err != nil {
		b.t.Fatalf("%s: %v", script, err)
	}
	return res
}

func TestInside(t *testing.T) {
	b, egress, _ := inside(t, "")
	home := b.home
	p, err := b.Ping(b.ctx())
	if err != nil || p.PID != 1 {
		t.Fatalf("got %+v, %v; want PID 1", p, err)
	}
	// The workspace was made by the person, in their language.
	readme, err := os.ReadFile(filepath.Join(home, "README.md"))
	if err != nil || !strings.Contains(string(readme), "欢迎") {
		t.Errorf("README: %q, %v", readme, err)
	}
	if info, err := os.Stat(filepath.Join(home, "projects")); err != nil || info.Sys().(*syscall.Stat_t).Uid != insideBase+1000 {
		t.Errorf("projects/: %v, %v", info, err)
	}
	// What the supervisor itself may do: nothing with the person's files.
	who := b.sh(`id -u; id -g; grep -E '^(Groups|CapEff|CapPrm|NoNewPrivs)' /proc/self/status; grep CapEff /proc/1/status; cat /proc/self/oom_score_adj; umask`)
	for _, want := range []string{"1000\n1000\n", "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "NoNewPrivs:\t1", "CapEff:\t00000000000000e0", "\n300\n"} {
		if !strings.Contains(who.Stdout, want) {
			t.Errorf("%q is missing in %q", want, who.Stdout)
		}
	}
	// What the person may not do to the supervisor.
	for _, script := range []string{
		"kill -TERM 1", "kill -KILL 1", "kill -STOP 1", "kill -SEGV 1", "kill -CONT 1", "kill -USR1 1",
		"cat /proc/1/environ", "cat /proc/1/maps", "ls /proc/1/fd", "readlink /proc/1/exe", "cat /proc/1/mem",
	} {
		if res := b.sh(script); res.ExitCode == 0 {
			t.Errorf("%q was allowed: %q", script, res.Stdout)
		}
	}
	// A tree cannot shed its group, also not in a user namespace of its own.
	shed := b.sh(`unshare -Ur sh -c 'setpriv --clear-groups true' 2>&1; echo; setpriv --clear-groups true 2>&1`)
	if !strings.Contains(shed.Stdout, "setpriv") && !strings.Contains(shed.Stdout, "unshare") {
		t.Errorf("groups were shed: %q", shed.Stdout)
	}
	// A tree with a child that detaches and ignores TERM ends whole.
	res, err := b.Command(b.ctx(), &protocol.CommandRequest{TimeoutS: 0.5, Argv: []string{"sh", "-c",
		`trap '' TERM; (env -i setsid sh -c 'trap "" TERM HUP; echo $$; while :; do sleep 1; done' &); while :; do sleep 1; done`}})
	if err != nil || !res.TimedOut {
		t.Fatalf("got %+v, %v", res, err)
	}
	if left := b.sh("ls /proc/" + strings.TrimSpace(res.Stdout) + "/status"); left.ExitCode == 0 {
		t.Errorf("the detached child is left")
	}
	// Orphans are reaped: no zombies.
	b.sh(`for i in 1 2 3 4 5; do (sh -c 'sleep 0.01 &') ; done; sleep 0.1`)
	if z := b.sh(`grep -l '^State:.Z' /proc/[0-9]*/status`); z.Stdout != "" {
		t.Errorf("zombies: %q", z.Stdout)
	}

	t.Run("terminal is the person's", func(t *testing.T) {
		b := &bench{Client: b.Client, t: t}
		term := openTerminal(b, `stat -c %u:%g:%a $(tty); exec 3<>$(tty) && echo opened >&3; echo to-tty > /dev/tty; read x`)
		term.waitFor("1000:5:620")
		term.waitFor("opened")
		term.waitFor("to-tty")
		if err := b.CloseTerminal(b.ctx(), &protocol.TerminalRequest{ID: term.id}); err != nil {
			t.Error(err)
		}
	})

	t.Run("files are served by the person", func(t *testing.T) {
		b := &bench{Client: b.Client, t: t}
		res, err := b.HTTP(b.ctx(), "PUT", "/content", url.Values{"path": {"projects/demo/x"}}, nil, strings.NewReader("hello"))
		if err != nil || res.StatusCode != 201 {
			t.Fatalf("got %v, %v", res, err)
		}
		res.Body.Close()
		info, err := os.Stat(filepath.Join(home, "projects/demo/x"))
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != insideBase+1000 {
			t.Errorf("got %v, %v", info, err)
		}
		pid := strings.TrimSpace(b.sh(`for p in /proc/[0-9]*; do [ "$(cut -d' ' -f4 $p/stat)" = 1 ] && [ "$(stat -c %u $p/stat)" = 0 ] && grep -q '^Uid:.1000' $p/status && echo ${p#/proc/}; done`).Stdout)
		if _, err := strconv.Atoi(pid); err != nil {
			t.Fatalf("the helper was not found, or is not alone: %q", pid)
		}
		// It is closed to others of its uid, who may end it all the same; then there is a new one.
		if res := b.sh("cat /proc/" + pid + "/environ; ls -l /proc/" + pid + "/fd/0"); res.Stdout != "" {
			t.Errorf("the helper can be looked into: %q", res.Stdout)
		}
		b.sh("kill -9 " + pid)
		waitForFile(b, "projects/demo/x", "hello")
	})

	t.Run("way out", func(t *testing.T) {
		b := &bench{Client: b.Client, t: t}
		go func() {
			c, err := egress.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = io.WriteString(c, "from the proxy\n")
		}()
		got := b.sh(`bash -c 'exec 3<>/dev/tcp/127.0.0.1/${HTTPS_PROXY##*:}; head -n 1 <&3'`)
		if got.Stdout != "from the proxy\n" {
			t.Errorf("got %q, %q", got.Stdout, got.Stderr)
		}
	})

	t.Run("signals from outside", func(t *testing.T) {
		pid, err := strconv.Atoi(hostPID(t, home))
		if err != nil {
			t.Fatal("the supervisor was not found")
		}
		for _, sig := range heeded() {
			if sig != syscall.SIGTERM {
				if err := syscall.Kill(pid, sig.(syscall.Signal)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := b.Ping(b.ctx()); err != nil {
			t.Errorf("after signals: %v", err)
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(string(status), "\n") {
			if strings.HasPrefix(line, "VmRSS") || strings.HasPrefix(line, "RssAnon") {
				t.Log(line)
			}
		}
	})
}
