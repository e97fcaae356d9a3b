package main

import (
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/carrel-dev/carrel/internal/api"
	"github.com/carrel-dev/carrel/internal/scriptedmodel"
)

func openapiCommand() *cobra.Command {
	return hidden("openapi", "Print the API's description", func(cmd *cobra.Command) error {
		b, err := api.OpenAPI(version)
		if err != nil {
			return err
		}
		_, err = cmd.OutOrStdout().Write(b)
		return err
	})
}

func scriptedModelCommand() *cobra.Command {
	var listen, socket string
	var pace time.Duration
	cmd := hidden("scripted-model", "Serve the scripted model, for tests and benchmarks", func(cmd *cobra.Command) error {
		network, address := "tcp", listen
		if socket != "" {
			network, address = "unix", socket
		}
		l, err := net.Listen(network, address)
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "The scripted model serves %s\n", l.Addr())
		return scriptedmodel.Serve(cmd.Context(), l, scriptedmodel.New(scriptedmodel.Options{Pace: pace}))
	})
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8421", "address to serve on")
	cmd.Flags().StringVar(&socket, "socket", "", "unix socket to serve on instead")
	cmd.Flags().DurationVar(&pace, "pace", 0, "pause between tokens")
	return cmd
}
