package boot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/keeper"
)

// KeeperEnv is the variable in which a keeper is given its settings.
const KeeperEnv = "CARREL_KEEPER_PROCESS"

// EnsureKeeper finds a keeper of this version and with these settings, or
// starts one; one of other settings is ended first, which ends no instance. It
// gives the pid of the one it started, 0 when one was there. It does not wait
// until a new one listens.
func (h House) EnsureKeeper(ctx context.Context, c keeper.Config) (pid int, err error) {
	if c.Fingerprint, err = fingerprint(c); err != nil {
		return 0, err
	}
	client := keeper.NewClient(h.StateDir, c.Runtime)
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, keeperPatience)
	defer cancel()
	for {
		lock, err := keeper.TryLock(h.StateDir)
		if err == nil {
			defer lock.Close()
			return h.startKeeper(c, lock)
		}
		if !errors.Is(err, keeper.ErrLocked) {
			return 0, err
		}
		if st, err := client.Status(ctx); err == nil {
			if st.Fingerprint == c.Fingerprint {
				return 0, nil
			}
			if err := client.Stop(ctx, keeper.StopRequest{Gateway: true}); err != nil && fault.CodeOf(err) != fault.RuntimeUnavailable {
				return 0, fmt.Errorf("end the keeper of an earlier version: %w", err)
			}
		}
		select { // it is just starting, or ending
		case <-ctx.Done():
			return 0, fmt.Errorf("the keeper of %s neither answers nor ends; see keeper.log there: %w", h.StateDir, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// ReviveKeeper starts the keeper that a server which runs has lost, and waits until it answers: the server finds it by
// itself. It gives the server's pid, or 0 where there is no server, or a keeper.
func (h House) ReviveKeeper(ctx context.Context, c keeper.Config) (server int, err error) {
	if server, err = h.ServerPID(); err != nil || server == 0 {
		return 0, err
	}
	lock, err := keeper.TryLock(h.StateDir)
	if errors.Is(err, keeper.ErrLocked) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer lock.Close()
	if c.Fingerprint, err = fingerprint(c); err != nil {
		return 0, err
	}
	pid, err := h.startKeeper(c, lock)
	if err != nil {
		return 0, err
	}
	client := keeper.NewClient(h.StateDir, c.Runtime)
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, keeperPatience)
	defer cancel()
	for {
		if st, err := client.Status(ctx); err == nil && st.PID == pid {
			return server, nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("the new keeper of %s does not answer; see keeper.log there: %w", h.StateDir, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func fingerprint(c keeper.Config) (string, error) {
	settings, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encode keeper's settings: %w", err)
	}
	sum := sha256.Sum256(settings)
	return hex.EncodeToString(sum[:8]), nil
}

// keeperPatience is what a keeper may take to start, or to end what it is at.
const keeperPatience = 20 * time.Second

// startKeeper hands the lock on with the process.
func (h House) startKeeper(c keeper.Config, lock *os.File) (pid int, err error) {
	c.LockFD = 3
	settings, err := json.Marshal(c)
	if err != nil {
		return 0, fmt.Errorf("encode keeper's settings: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(h.StateDir, "keeper.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, fmt.Errorf("open keeper's log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command("/proc/self/exe", "keeper")
	cmd.Args[0] = "carrel"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", KeeperEnv + "=" + string(settings)}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{lock}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start keeper: %w", err)
	}
	pid = cmd.Process.Pid
	return pid, cmd.Process.Release()
}

// StopKeeper ends the keeper of the state folder, also one that is just
// starting, with its instances and the gateway, and waits for its end. It tells
// whether there was anything to end.
func (h House) StopKeeper(ctx context.Context, runtimeName string) (stopped bool, err error) {
	client := keeper.NewClient(h.StateDir, runtimeName)
	defer client.Close()
	for {
		lock, err := keeper.TryLock(h.StateDir)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil // there never was one
		}
		if err == nil {
			defer lock.Close()
			// One that was killed ended nothing.
			return keeper.EndGateway(ctx, h.StateDir, h.GatewayUID) || stopped, h.noInstances()
		}
		if !errors.Is(err, keeper.ErrLocked) {
			return stopped, err
		}
		if _, err := client.Status(ctx); err == nil {
			if err := client.Stop(ctx, keeper.StopRequest{Instances: true, Gateway: true}); err != nil && fault.CodeOf(err) != fault.RuntimeUnavailable {
				return stopped, err
			}
			stopped = true
		}
		select {
		case <-ctx.Done():
			return stopped, fmt.Errorf("the keeper of %s neither answers nor ends; see keeper.log there: %w", h.StateDir, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (h House) noInstances() error {
	if left := keeper.Instances(h.StateDir); left > 0 {
		return fmt.Errorf("%d instances are left, and no keeper to end them. Start Carrel again, which finds them, and end it by Ctrl-C or `carrel stop`", left)
	}
	return nil
}
