// Command carrel serves Claude Code to a team: see README.md. Each command has
// a file; they wire the parts and hold no logic.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/carrel-dev/carrel/internal/fault"
)

// version is set at build time.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "carrel: "+explain(err))
		os.Exit(1)
	}
}

// explain gives the text for people where there is one.
func explain(err error) string {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err.Error()
	}
	if f.Err != nil {
		return fmt.Sprintf("%s (%v)", f.Detail, f.Err)
	}
	return f.Detail
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "carrel",
		Short:         "Claude Code for every member of a team, from one server",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.AddCommand(
		serveCommand(), stopCommand(), userCommand(), tokenCommand(), backupCommand(), restoreCommand(), doctorCommand(), demoCommand(), versionCommand(),
		openapiCommand(), scriptedModelCommand(),
		serverCommand(), keeperCommand(), gatewayCommand(), supervisorCommand(), filesCommand(), toolsCommand(), storeCopyCommand(), snapshotPackCommand(), snapshotUnpackCommand(),
	)
	return cmd
}

// group makes a command that only holds others. By itself it shows them; a word
// that is none of them is an error, where cobra would show them and be content.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(commands...)
	return cmd
}

func versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "carrel "+version)
		return err
	}}
}
