package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
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
			rest, err := h.StopKeeper(ctx, cfg.Runtime)
			if err != nil {
				return err
			}
			text := "Carrel has ended."
			if !stopped && !rest {
				text = "No Carrel was running on " + h.DataDir + "."
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
			return err
		},
	}
	dataFlags(cmd)
	return cmd
}
