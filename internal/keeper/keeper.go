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
	osruntime "runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/inside"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/runtime/bare"
	"github.com/carrel-dev/carrel/internal/runtime/instancedir"
	"github.com/carrel-dev/carrel/internal/runtime/oci"
)

// Config is what a keeper is started with; it holds no secret.
type Config struct {
	Version     string          `json:"version"`
	Fingerprint string          `json:"fingerprint,omitempty"` // of all the others; made by who starts it
	DataDir     string          `json:"data_dir"`              // absolute
	StateDir    string          `json:"state_dir"`             // absolute
	Runtime     string          `json:"runtime"`               // "oci" or "bare"
	OCICommand  string          `json:"oci_command"`
	OCIRoot     string          `json:"oci_root"`
	UIDBase     uint32          `json:"uid_base"`
	Carrel      string          `json:"carrel"` // this program's file
	Claude      string          `json:"claude"`
	ServerUID   int             `json:"server_uid"`
	GatewayUID  int             `json:"gateway_uid"`
	Gateway     json.RawMessage `json:"gateway"` // handed on to the gateway as it is
	// ToolsEnv is the environment (PATH, HOME) in which this machine's npm, go and apt are asked what they are set up for.
	ToolsEnv []string `json:"tools_env"`
	// LockFD is the descriptor of the state folder's lock, which whoever starts it has taken; 0: take it.
	LockFD int `json:"lock_fd,omitempty"`
}

// lock takes over the lock that who starts a keeper already holds, so that there
// is no moment in which there could be two; by hand, there is none to take over.
func (c Config) lock(ctx context.Context) (*os.File, error) {
	if c.LockFD == 0 {
		return Lock(ctx, c.StateDir)
	}
	unix.CloseOnExec(c.LockFD)
	return os.NewFile(uintptr(c.LockFD), "keeper.lock"), nil
}

// GatewayEnv is the variable in which a gateway is given its settings.
const GatewayEnv = "CARREL_GATEWAY_PROCESS"

// maker is a runtime that can make an instance's outer sockets anew, as after a restart of the keeper.
type maker interface {
	runtime.Runtime
	Sockets(spec runtime.Spec) (gateway, egress *os.File, err error)
}

// Main runs a keeper until the context ends or it is told to stop. Instances
// and the gateway go on without it.
func Main(ctx context.Context, c Config, log *slog.Logger) error {
	syscall.Umask(0o022)
	held, err := c.lock(ctx)
	if err != nil {
		return err
	}
	// Given up by this process's end and not before: who waits for the lock, as `carrel stop` does, waits for that.
	defer osruntime.KeepAlive(held)
	// The gateway inherits this as its working folder: it may not be able to walk the way to it.
	if err := os.Chdir(c.DataDir); err != nil {
		return fmt.Errorf("enter data folder: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	k := &keeper{config: c, log: log}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	k.sockets = newSockets(k.dialGateway, k.launchGateway, log)
	rt, err := k.openRuntime()
	if err != nil {
		return err
	}
	if err := k.adopt(ctx, rt); err != nil {
		return err
	}
	wg.Go(func() { k.sockets.run(ctx) })
	wg.Go(func() { k.askTools(ctx) })
	group := c.ServerUID
	if os.Getuid() != 0 { // then all processes are of one user
		group = os.Getgid()
	}
	f, err := instancedir.Listen(SocketPath(c.StateDir), os.Getuid(), group, 0o660)
	if err != nil {
		return err
	}
	l, err := net.FileListener(f)
	f.Close()
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer func() { _ = os.Remove(SocketPath(c.StateDir)) }() // the next keeper would, too
	k.claude = claudeVersion(c.Claude)
	s := &server{runtime: rt, log: log, ending: ctx.Done(), status: func() Status {
		return Status{Version: c.Version, Fingerprint: c.Fingerprint, PID: os.Getpid(), Runtime: rt.Name(), GatewayPID: k.connected(), Claude: k.claude}
	}, stop: func(r StopRequest) error {
		if r.Gateway {
			k.endGateway()
		}
		cancel()
		return nil
	}}
	log.Info("keeper ready", "runtime", rt.Name(), "pid", os.Getpid())
	return s.serve(ctx, peers{Listener: l, uid: c.ServerUID, log: log})
}

type keeper struct {
	config  Config
	log     *slog.Logger
	sockets *sockets
	claude  string

	mu         sync.Mutex
	child      int       // guarded by mu: the gateway that this keeper started last
	startedAt  time.Time // guarded by mu: when it did
	gatewayPID int       // guarded by mu: the one that is connected, 0 when none is
	stopping   bool      // guarded by mu
}

func (k *keeper) connected() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.gatewayPID
}

func (k *keeper) openRuntime() (maker, error) {
	c := k.config
	carrel, err := inside.Unpack(filepath.Join(c.StateDir, "bin"))
	if err != nil {
		return nil, err
	}
	if carrel == "" {
		carrel = c.Carrel
	}
	switch c.Runtime {
	case "oci":
		return oci.Open(oci.Options{DataDir: c.DataDir, StateDir: c.StateDir, Command: c.OCICommand, Root: c.OCIRoot, UIDBase: c.UIDBase,
			Carrel: carrel, Claude: c.Claude, ServerGID: c.ServerUID, ToolEnv: k.toolEnv, Attach: k.sockets.attach, Detach: k.sockets.detach, Log: k.log})
	case "bare":
		return bare.Open(bare.Options{DataDir: c.DataDir, StateDir: c.StateDir, Carrel: carrel, Claude: c.Claude, ServerGID: c.ServerUID,
			ToolEnv: k.toolEnv, Attach: k.sockets.attach, Detach: k.sockets.detach, Log: k.log})
	}
	return nil, fmt.Errorf("runtime %q is none of oci, bare", c.Runtime)
}

// adopt makes the outer sockets of running instances anew: the descriptors
// went with the keeper before. The folder that shows them inside is the same.
func (k *keeper) adopt(ctx context.Context, rt maker) error {
	handles, err := rt.List(ctx)
	if err != nil {
		return err
	}
	for _, h := range handles {
		g, e, err := rt.Sockets(h.Spec)
		if err != nil {
			k.log.Error("make sockets of a running instance", "instance_id", h.Spec.ID, "err", err)
			continue
		}
		k.sockets.attach(h.Spec, g, e)
	}
	return nil
}

// ToolsFile is where what this machine's tools are set up for is written, for
// the gateway and for instances.
func ToolsFile(stateDir string) string { return filepath.Join(stateDir, "tools.json") }

// askTools asks in a process of its own, beside the start: it takes a second.
func (k *keeper) askTools(ctx context.Context) {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "tools", ToolsFile(k.config.StateDir))
	cmd.Args[0] = "carrel"
	cmd.Env = k.config.ToolsEnv
	cmd.Dir = "/"
	// It ends with its keeper, also one that is killed. That means the thread, which therefore stays.
	osruntime.LockOSThread()
	defer osruntime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it ends the tool that it is asking
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil && ctx.Err() == nil {
		k.log.Warn("ask this machine's tools what they are set up for", "err", err, "said", string(out))
	}
}

// toolEnv is what tools inside instances need to find: this machine's Go, its
// certificates (Node asks for them by name) and its registries. The last are
// not known at the very first moment; nothing is lost but convenience.
func (k *keeper) toolEnv() []string {
	var env []string
	const goBin, certificates = "/usr/local/go/bin", "/etc/ssl/certs/ca-certificates.crt"
	if _, err := os.Stat(goBin); err == nil {
		env = append(env, "PATH="+goBin)
	}
	if _, err := os.Stat(certificates); err == nil {
		env = append(env, "NODE_EXTRA_CA_CERTS="+certificates)
	}
	b, err := os.ReadFile(ToolsFile(k.config.StateDir))
	if err != nil {
		return env
	}
	var t struct {
		Env []string `json:"env"`
	}
	if err := json.Unmarshal(b, &t); err != nil {
		k.log.Warn("read tools' settings", "err", err)
		return env
	}
	return append(env, t.Env...)
}

// claudeVersion reads the version from the package that the CLI came in;
// running it would take a second of every start.
func claudeVersion(path string) string {
	if path == "" {
		return ""
	}
	b, err := os.ReadFile(filepath.Join(filepath.Dir(path), "package.json"))
	if err != nil {
		return "unknown"
	}
	var p struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(b, &p); err != nil || p.Version == "" {
		return "unknown"
	}
	return p.Version
}
