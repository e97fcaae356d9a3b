package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/carrel-dev/carrel/internal/keeper"
)

func stopCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stop",
		Short: "End the Carrel of a data folder: server, instances, gateway and keeper",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			h := house(cfg)
			ctx, cancel := context.WithTimeout(cmd.Context(), 2*stopWithin)
			defer cancel()
			stopped, err := h.StopServer(ctx)
			if err != nil {
				return err
			}
			client := keeper.NewClient(h.StateDir, cfg.Runtime)
			defer client.Close()
			if _, err := client.Status(ctx); err == nil {
				if err := client.Stop(ctx, keeper.StopRequest{Instances: true, Gateway: true}); err != nil {
					return err
				}
				stopped = true
			}
			if err := h.AwaitKeeperGone(ctx); err != nil {
				return err
			}
			// A keeper that was killed ends nothing.
			if keeper.EndGateway(ctx, h.StateDir, h.GatewayUID) {
				stopped = true
			}
			if left := keeper.Instances(h.StateDir); left > 0 {
				return fmt.Errorf("%d instances are left, and no keeper to end them. Start Carrel again, which finds them, and end it by Ctrl-C or `carrel stop`", left)
			}
			text := "Carrel has ended."
			if !stopped {
				text = "No Carrel was running on " + h.DataDir + "."
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
			return err
		},
	}
	dataFlags(cmd)
	return cmd
}
