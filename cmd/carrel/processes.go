package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/carrel-dev/carrel/internal/boot"
	"github.com/carrel-dev/carrel/internal/gateway"
	"github.com/carrel-dev/carrel/internal/keeper"
	"github.com/carrel-dev/carrel/internal/scriptedmodel"
	"github.com/carrel-dev/carrel/internal/supervisor"
	"github.com/carrel-dev/carrel/internal/supervisor/files"
)

// hidden makes a command that other parts of Carrel start, and nobody by hand.
func hidden(use, short string, run func(*cobra.Command) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Hidden: true, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd) }}
}

func keeperCommand() *cobra.Command {
	return hidden("keeper", "The keeper, started by serve", func(cmd *cobra.Command) error {
		var c keeper.Config
		if err := json.Unmarshal([]byte(os.Getenv(boot.KeeperEnv)), &c); err != nil {
			return fmt.Errorf("read keeper's settings from %s: %w", boot.KeeperEnv, err)
		}
		return keeper.Main(cmd.Context(), c, processLog("keeper"))
	})
}

// gatewayProcess is what a gateway is started with; it holds no secret.
type gatewayProcess struct {
	RunDir    string   `json:"run_dir"`
	ToolsFile string   `json:"tools_file"`
	ServerUID int      `json:"server_uid"`
	Version   string   `json:"version"`
	Allow     []string `json:"allow"`
	Deny      []string `json:"deny"`
}

func gatewayCommand() *cobra.Command {
	return hidden("gateway", "The gateway, started by the keeper", func(cmd *cobra.Command) error {
		var c gatewayProcess
		if err := json.Unmarshal([]byte(os.Getenv(keeper.GatewayEnv)), &c); err != nil {
			return fmt.Errorf("read gateway's settings from %s: %w", keeper.GatewayEnv, err)
		}
		log := processLog("gateway")
		model := scriptedmodel.New(scriptedmodel.Options{Logger: log})
		defer model.Close()
		// Its working folder is the data folder, the way to which it may not be able to walk.
		return gateway.Main(cmd.Context(), gateway.Options{RunDir: c.RunDir, DataDir: "gateway", Settings: "secrets/gateway.json", ServerUID: c.ServerUID,
			Version: c.Version, Scripted: model, Egress: egressOptions(c, log), FurtherHosts: toolHosts(cmd.Context(), c.ToolsFile, log)}, log)
	})
}

func supervisorCommand() *cobra.Command {
	return hidden("supervisor", "The first process of an instance", func(cmd *cobra.Command) error {
		program, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
		return supervisor.Main(cmd.Context(), os.Getenv(supervisor.Variable), os.NewFile(supervisor.ListenFD, "listener"), supervisor.Options{
			Version: version, Helper: []string{program, "files"}, Granted: true, Log: processLog("supervisor"),
		})
	})
}

func filesCommand() *cobra.Command {
	return hidden("files", "The file helper of an instance", func(cmd *cobra.Command) error {
		return files.Main(cmd.Context(), os.Getenv(files.Variable), os.Stdin, processLog("files"))
	})
}
