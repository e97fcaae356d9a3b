package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/carrel-dev/carrel/internal/boot"
	"github.com/carrel-dev/carrel/internal/config"
)

// loadConfig reads the settings of a command, from file, environment and flags.
func loadConfig(cmd *cobra.Command) (config.Config, error) {
	file := ""
	if f := cmd.Flags().Lookup("config"); f != nil {
		file = f.Value.String()
	}
	return config.Load(cmd.Context(), config.Sources{File: file, Environ: os.Environ(), Flags: cmd.Flags()})
}

// dataFlags gives a command the settings that say which Carrel is meant.
func dataFlags(cmd *cobra.Command) {
	cmd.Flags().String("config", "", "file of settings; carrel.yaml in the data folder when it is not given")
	config.RegisterFlags(cmd.Flags(), "data_dir", "state_dir", "server.uid", "gateway.uid")
}

func newLog(w io.Writer, l config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		level = slog.LevelInfo // validated when it was read
	}
	options := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// house is where this Carrel lives on the host.
func house(c config.Config) boot.House {
	state := c.StateDir
	if state == "" {
		state = boot.StateDirFor(c.DataDir)
	}
	h := boot.House{DataDir: c.DataDir, StateDir: state, ServerUID: c.Server.UID, GatewayUID: c.Gateway.UID}
	if !boot.AsRoot() { // then all processes are of one user
		h.ServerUID, h.GatewayUID = os.Getuid(), os.Getuid()
	}
	return h
}

// self is this program's file, for the keeper to show inside instances.
func self() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return path, nil
}

// processLog is of a process that was started by another, which says where it
// goes by standard error.
func processLog(name string) *slog.Logger {
	return newLog(os.Stderr, config.Log{Level: "info", Format: "text"}).With("process", name)
}
