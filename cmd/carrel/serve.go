package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/boot"
	"github.com/carrel-dev/carrel/internal/config"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/keeper"
)

func serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve Carrel: start what is not there, find what is",
		Long: `Starts the keeper (root) and the gateway (the only holder of the key) where they
are missing, then gives up its own privileges and becomes the server. Beside a
server that has lost its keeper it brings that back, and ends.

Ctrl-C ends everything, instances too. SIGTERM ends the server alone: instances
and running turns go on, and the next "carrel serve" takes them over.`,
		Args: cobra.NoArgs,
		RunE: serve,
	}
	cmd.Flags().String("config", "", "file of settings; carrel.yaml in the data folder when it is not given")
	config.RegisterFlags(cmd.Flags())
	return cmd
}

// serve prepares everything that needs root, and ends as the server.
func serve(cmd *cobra.Command, _ []string) error {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return err
	}
	if err := boot.CheckClaude(cfg.Claude.Path); err != nil {
		return err
	}
	h := house(cfg)
	if cfg.Runtime == "oci" && !boot.AsRoot() {
		st := keeper.NewClient(h.StateDir, cfg.Runtime)
		defer st.Close()
		if _, err := st.Status(cmd.Context()); err != nil {
			return fault.New(fault.RuntimeUnavailable, "Sandboxes need a keeper that runs as root, and there is none. Start Carrel as root (it gives root up wherever it is not needed), or try it without sandboxes, for development only: --runtime bare")
		}
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			if revived, err := revive(cmd, cfg, h); revived || err != nil {
				return err
			}
			return fmt.Errorf("%s is in use. Is Carrel running already? `carrel stop` ends it; --listen takes another address", cfg.Listen)
		}
		return fmt.Errorf("listen: %w", err)
	}
	lock, err := h.Lock()
	if err != nil {
		if fault.CodeOf(err) == fault.Conflict {
			if revived, err := revive(cmd, cfg, h); revived || err != nil {
				return err
			}
		}
		return err
	}
	if err := h.Prepare(); err != nil {
		return err
	}
	if err := h.WriteSecrets(gatewaySecrets{APIKey: cfg.Gateway.APIKey.Reveal(), BaseURL: urlText(cfg)}); err != nil {
		return err
	}
	k, err := keeperConfig(cfg, h)
	if err != nil {
		return err
	}
	pid, err := h.EnsureKeeper(cmd.Context(), k)
	if err != nil {
		return err
	}
	fd, err := inherited(listener)
	if err != nil {
		return err
	}
	args := []string{"--listener", strconv.Itoa(fd), "--lock", strconv.Itoa(lock), "--keeper-pid", strconv.Itoa(pid)}
	if cfg.Gateway.BaseURL == nil && !cfg.Gateway.APIKey.IsSet() {
		args = append(args, "--scripted")
	}
	if err := cmd.Context().Err(); err != nil { // a signal that came meanwhile would be lost in the change
		return err
	}
	cfg.StateDir = h.StateDir
	return h.BecomeServer(args, append(cfg.Environ(), "PATH=/usr/local/bin:/usr/bin:/bin"))
}

// revive brings back the keeper of a server that runs on this data folder, and says so.
func revive(cmd *cobra.Command, cfg config.Config, h boot.House) (bool, error) {
	k, err := keeperConfig(cfg, h)
	if err != nil {
		return false, err
	}
	pid, err := h.ReviveKeeper(cmd.Context(), k)
	if err != nil || pid == 0 {
		return false, err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Carrel runs on %s already (pid %d). Its keeper was missing, and is back.\n", h.DataDir, pid)
	return true, nil
}

// gatewaySecrets is the file that only the gateway can read, see gateway.Settings.
type gatewaySecrets struct {
	APIKey  string `json:"api_key"`
	BaseURL string `json:"base_url"`
}

func urlText(c config.Config) string {
	if c.Gateway.BaseURL == nil {
		return ""
	}
	return c.Gateway.BaseURL.String()
}

func keeperConfig(c config.Config, h boot.House) (keeper.Config, error) {
	carrel, err := self()
	if err != nil {
		return keeper.Config{}, err
	}
	gateway, err := json.Marshal(gatewayProcess{RunDir: h.StateDir + "/gateway", ToolsFile: keeper.ToolsFile(h.StateDir), ServerUID: h.ServerUID,
		Version: version, Allow: c.Egress.Allow, Deny: c.Egress.Deny})
	if err != nil {
		return keeper.Config{}, fmt.Errorf("encode gateway's settings: %w", err)
	}
	build := version
	if fi, err := os.Stat(carrel); err == nil {
		build += fmt.Sprintf(" %d %d", fi.Size(), fi.ModTime().UnixNano()) // another build is another keeper
	}
	return keeper.Config{
		Version: build, DataDir: h.DataDir, StateDir: h.StateDir, Runtime: c.Runtime, OCICommand: c.OCI.Command, OCIRoot: c.OCI.Root,
		UIDBase: uint32(c.OCI.UIDBase), Carrel: carrel, Claude: boot.FindClaude(c.Claude.Path, carrel), ServerUID: h.ServerUID, GatewayUID: h.GatewayUID,
		Gateway: gateway, ToolsEnv: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")},
	}, nil
}

// inherited gives the descriptor of a listener that outlives an exec.
func inherited(l net.Listener) (int, error) {
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		return 0, fmt.Errorf("hand listener on: %w", err)
	}
	fd, err := unix.Dup(int(f.Fd()))
	if err != nil {
		return 0, fmt.Errorf("hand listener on: %w", err)
	}
	return fd, errors.Join(f.Close(), l.Close())
}

// stopWithin is what Ctrl-C and `carrel stop` may take.
const stopWithin = 15 * time.Second
