package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/carrel-dev/carrel/internal/egress"
)

// toolsFound is what this machine's npm, go and apt are set up for: the hosts
// are allowed by default, the environment has tools inside instances use the
// same. The keeper reads env, the gateway hosts.
type toolsFound struct {
	Hosts []string `json:"hosts"`
	Env   []string `json:"env"`
}

func toolsCommand() *cobra.Command {
	return &cobra.Command{Use: "tools FILE", Short: "Ask npm, go and apt which hosts they use", Hidden: true, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		ctx, cancel := context.WithTimeout(cmd.Context(), 30*time.Second)
		defer cancel()
		hosts, settings := egress.AskTools(ctx, os.Environ())
		if err := cmd.Context().Err(); err != nil {
			return err // not all of them were asked
		}
		b, err := json.Marshal(toolsFound{Hosts: hosts, Env: settings.Environ()})
		if err != nil {
			return err
		}
		if have, err := os.ReadFile(args[0]); err == nil && string(have) == string(b) {
			return nil
		}
		making := args[0] + ".new"
		if err := os.WriteFile(making, b, 0o644); err != nil {
			return fmt.Errorf("write tools' settings: %w", err)
		}
		return os.Rename(making, args[0])
	}}
}

// egressOptions are what is open from the start: the forges and the setting.
func egressOptions(c gatewayProcess, log *slog.Logger) egress.Options {
	return egress.Options{Allow: append(egress.Forges(), c.Allow...), Deny: c.Deny, Log: log}
}

// toolHosts sends the hosts of this machine's tools, once they are known.
func toolHosts(ctx context.Context, path string, log *slog.Logger) <-chan []string {
	hosts := make(chan []string, 1)
	go func() { // ends with the context, at the latest with the process
		defer close(hosts)
		found, err := readTools(ctx, path)
		if err != nil {
			log.Warn("what this machine's tools use is not known; only the forges and egress.allow are open", "err", err)
			return
		}
		hosts <- found.Hosts
	}()
	return hosts
}

// readTools waits for the answer of the tools, which the keeper asks at its start.
func readTools(ctx context.Context, path string) (found toolsFound, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		b, err := os.ReadFile(path)
		if err == nil {
			return found, json.Unmarshal(b, &found)
		}
		if !errors.Is(err, os.ErrNotExist) {
			return found, err
		}
		select {
		case <-ctx.Done():
			return found, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}
