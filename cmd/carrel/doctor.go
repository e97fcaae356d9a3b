package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carrel-dev/carrel/internal/boot"
	"github.com/carrel-dev/carrel/internal/config"
	"github.com/carrel-dev/carrel/internal/demo"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/runtime/oci"
)

func doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is missing on this machine, and the command that mends it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 30*time.Second)
			defer cancel()
			failed := 0
			for _, f := range examine(ctx, cfg) {
				mark := map[string]string{"ok": "ok  ", "warn": "warn", "fail": "FAIL"}[f.State]
				fmt.Fprintf(cmd.OutOrStdout(), "%s  %-16s %s\n", mark, f.Name, f.Detail)
				if f.Remedy != "" && f.State != "ok" {
					fmt.Fprintf(cmd.OutOrStdout(), "      %-16s → %s\n", "", f.Remedy)
				}
				if f.State == "fail" {
					failed++
				}
			}
			switch failed {
			case 0:
				return nil
			case 1:
				return errors.New("one thing is missing")
			}
			return fmt.Errorf("%d things are missing", failed)
		},
	}
	cmd.Flags().String("config", "", "file of settings; carrel.yaml in the data folder when it is not given")
	config.RegisterFlags(cmd.Flags())
	return cmd
}

func examine(ctx context.Context, cfg config.Config) []runtime.Finding {
	carrel, err := self()
	if err != nil {
		return []runtime.Finding{{Name: "carrel", State: "fail", Detail: err.Error()}}
	}
	claude := boot.FindClaude(cfg.Claude.Path, carrel)
	found := oci.Check(ctx, cfg.OCI.Command, claude, existing(cfg.DataDir), uint32(cfg.OCI.UIDBase))
	for i, f := range found {
		if err := boot.CheckClaude(cfg.Claude.Path); err != nil && f.Name == "claude" && f.State == "ok" {
			found[i].State, found[i].Detail, found[i].Remedy = "fail", err.Error(), ""
		}
	}
	if cfg.Runtime == "bare" {
		found = append(found, runtime.Finding{Name: "runtime", State: "warn", Detail: "The runtime is bare: people are not isolated from each other.", Remedy: "Set runtime to oci."})
	}
	model := runtime.Finding{Name: "model", State: "ok", Detail: "A key is set."}
	switch {
	case cfg.Gateway.APIKey.IsSet():
	case cfg.Gateway.BaseURL != nil:
		model.Detail = "No key is set; " + cfg.Gateway.BaseURL.Host + " is asked without one."
	default:
		model.State, model.Detail = "warn", "No key is set: the scripted model answers, no real one."
		model.Remedy = "Set CARREL_GATEWAY_API_KEY, or gateway.api_key in carrel.yaml, and start again."
	}
	found = append(found, model, examineMemory(), oci.CheckFiles(cfg.DataDir, cfg.Quota.PIDs, cfg.Pool.MaxInstances))
	if claude != "" {
		if out, err := exec.CommandContext(ctx, claude, "--version").Output(); err == nil {
			found = append(found, runtime.Finding{Name: "claude version", State: "ok", Detail: strings.TrimSpace(string(out))})
		}
	}
	return found
}

// existing is the nearest folder that is there, whose disk it will be.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

func demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Walk through what Carrel does, on the real system",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			carrel, err := self()
			if err != nil {
				return err
			}
			if !boot.AsRoot() {
				return errors.New("the demo makes real sandboxes, which needs root: sudo carrel demo")
			}
			return demo.Run(cmd.Context(), demo.Options{Binary: carrel, Out: cmd.OutOrStdout()})
		},
	}
}
