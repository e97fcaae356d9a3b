package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/carrel-dev/carrel/internal/runtime/snapshotdir"
)

func snapshotPackCommand() *cobra.Command {
	return hidden("snapshot-pack", "Read a home, as its person; started by the keeper", func(cmd *cobra.Command) error {
		return snapshotdir.Pack(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
	})
}

func snapshotUnpackCommand() *cobra.Command {
	return hidden("snapshot-unpack", "Make a home, as its person; started by the keeper", func(cmd *cobra.Command) error {
		return snapshotdir.Unpack(cmd.Context(), cmd.InOrStdin())
	})
}

// storageLimit is a user's.
func (s *server) storageLimit(ctx context.Context, userID int64) (int64, error) {
	u, err := s.accounts.User(ctx, userID)
	if err != nil {
		return 0, err
	}
	return u.Quota.StorageBytes, nil
}
