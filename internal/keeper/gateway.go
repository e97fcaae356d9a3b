package keeper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/gateway"
)

// restartPause lies between two starts of a gateway, so that one that cannot
// run does not keep the machine busy.
const restartPause = time.Second

func (k *keeper) dialGateway(ctx context.Context) (handoff, error) {
	h, err := gateway.DialHandoff(ctx, filepath.Join(k.config.StateDir, "gateway", gateway.HandoffSocket))
	if err == nil && !k.isGateway(h.PeerPID()) {
		// The folder is the gateway's, who could put a link to anybody's socket there.
		err = errors.Join(errors.New("who answers on the gateway's socket is not the gateway"), h.Close())
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		k.gatewayPID = 0
		return nil, err
	}
	k.gatewayPID = h.PeerPID()
	return h, nil
}

// launchGateway starts the gateway as its own user, in a session of its own,
// unless the one that was started last is still coming up. It inherits the
// working folder, and no secret: those it reads itself.
func (k *keeper) launchGateway() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopping {
		return nil
	}
	if k.child > 0 {
		// It may outlive this keeper, so nobody waits for it but here.
		if pid, err := unix.Wait4(k.child, nil, unix.WNOHANG, nil); err == nil && pid == 0 {
			return nil
		}
		k.child = 0
	}
	if time.Since(k.startedAt) < restartPause {
		return nil
	}
	log, err := os.OpenFile(filepath.Join(k.config.StateDir, "gateway.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer log.Close()
	// The path of the program may lead through folders that the gateway's user cannot enter.
	cmd := exec.Command("/proc/self/exe", "gateway")
	cmd.Args[0] = "carrel"
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", GatewayEnv + "=" + string(k.config.Gateway)}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if os.Getuid() == 0 {
		id := uint32(k.config.GatewayUID)
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: id, Gid: id, Groups: []uint32{}}
	}
	if err := startWithoutNewPrivileges(cmd); err != nil {
		return fmt.Errorf("start gateway: %w", err)
	}
	k.child, k.startedAt = cmd.Process.Pid, time.Now()
	k.log.Info("gateway started", "pid", k.child)
	return cmd.Process.Release()
}

// startWithoutNewPrivileges starts a process that no set-uid program can make
// more of. The flag is a thread's, for good, and passes to what the thread
// starts: so the thread ends with the goroutine, which never unlocks it.
func startWithoutNewPrivileges(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			started <- fmt.Errorf("give up new privileges: %w", err)
			return
		}
		started <- cmd.Start()
	}()
	return <-started
}

// endGateway ends the gateway in an orderly way, then by force; no other is
// started.
func (k *keeper) endGateway() {
	k.mu.Lock()
	k.stopping = true
	pids := map[int]bool{k.child: true, k.gatewayPID: true} // two where one of an earlier keeper's answers
	k.mu.Unlock()
	for pid := range pids {
		if pid > 1 {
			k.endProcess(pid)
		}
	}
}

// EndGateway ends the gateway of a state folder whose keeper has gone, and tells
// whether there was one.
func EndGateway(ctx context.Context, stateDir string, gatewayUID int) bool {
	k := &keeper{config: Config{StateDir: stateDir, GatewayUID: gatewayUID}}
	h, err := k.dialGateway(ctx)
	if err != nil {
		return false
	}
	_ = h.Close() // its process is what counts
	k.endGateway()
	return true
}

// isGateway tells whether a process runs as the gateway's user.
func (k *keeper) isGateway(pid int) bool {
	want := k.config.GatewayUID
	if os.Getuid() != 0 {
		want = os.Getuid()
	}
	uid, err := processUID(pid)
	return err == nil && uid == want
}

// processUID reads a process's real uid. The owner of its folder in /proc would
// not do: it is root where the process may not be dumped.
func processUID(pid int) (int, error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return -1, err
	}
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte("Uid:")); ok {
			if ids := bytes.Fields(rest); len(ids) > 0 {
				return strconv.Atoi(string(ids[0]))
			}
		}
	}
	return -1, fmt.Errorf("no uid in the status of process %d", pid)
}

// endProcess ends a process of the gateway's user, and no other: the pid is what
// the gateway's socket says, and may have become another's.
func (k *keeper) endProcess(pid int) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if !k.isGateway(pid) {
		return
	}
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil {
			return
		}
		deadline := time.Now().Add(3 * time.Second)
		for time.Now().Before(deadline) {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 100)
			if n > 0 || (err != nil && !errors.Is(err, unix.EINTR)) {
				return
			}
		}
	}
}
