// Command carrel-inside is what runs inside an instance: `carrel supervisor`
// and `carrel files`, without the rest of Carrel. Package inside carries it.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/carrel-dev/carrel/internal/supervisor"
	"github.com/carrel-dev/carrel/internal/supervisor/files"
)

var version = "dev"

func main() {
	if err := run(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "carrel: "+err.Error())
		os.Exit(1)
	}
}

func run(args []string) error {
	command := ""
	if len(args) == 2 {
		command = args[1]
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil)).With("process", command)
	switch command {
	case "supervisor":
		program, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
		return supervisor.Main(context.Background(), os.Getenv(supervisor.Variable), os.NewFile(supervisor.ListenFD, "listener"),
			supervisor.Options{Version: version, Helper: []string{program, "files"}, Granted: true, Log: log})
	case "files":
		return files.Main(context.Background(), os.Getenv(files.Variable), os.Stdin, log)
	}
	return fmt.Errorf("%s is started by the keeper, as `supervisor` or `files`", args[0])
}
