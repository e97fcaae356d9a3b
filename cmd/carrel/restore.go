package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/carrel-dev/carrel/internal/backup"
	"github.com/carrel-dev/carrel/internal/boot"
	"github.com/carrel-dev/carrel/internal/config"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/keeper"
)

func restoreCommand() *cobra.Command {
	var force bool
	var identity string
	cmd := &cobra.Command{
		Use:   "restore FILE|-",
		Short: "Make a data folder of a backup",
		Long: `Checks every sum of the backup, makes the data folder beside its place, and moves
it there when all of it is made: a restore that fails has changed nothing. The
data folder must be empty or missing; --force keeps what is there beside it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			if cfg.Runtime == "oci" && !boot.AsRoot() {
				return fault.New(fault.RuntimeUnavailable, "Volumes with limits are made by root alone: sudo carrel restore. Without root, people's files can be restored for the runtime bare: --runtime bare")
			}
			o := backup.RestoreOptions{DataDir: cfg.DataDir, Force: force, Progress: progress(cmd.ErrOrStderr()), Now: time.Now(),
				House: func(settings string) (backup.House, error) { return restoredHouse(cmd, settings) }}
			if identity != "" {
				if o.Identities, err = readIdentities(identity); err != nil {
					return err
				}
			}
			release, err := nobodyRuns(house(cfg))
			if err != nil {
				return err
			}
			defer release()
			done, err := restoreFrom(cmd, args[0], o)
			if err != nil {
				return err
			}
			return tellRestored(cmd.OutOrStdout(), o.DataDir, done)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "put it in the place of a data folder that is not empty, which is kept beside it")
	cmd.Flags().StringVar(&identity, "identity", "", "file with the age key of an encrypted backup")
	cmd.Flags().String("config", "", "file of settings; the backup's carrel.yaml when it is not given")
	config.RegisterFlags(cmd.Flags(), "data_dir", "state_dir", "server.uid", "gateway.uid", "runtime", "oci.uid_base")
	return cmd
}

// restoredHouse reads the settings as the next `carrel serve` will.
func restoredHouse(cmd *cobra.Command, settings string) (backup.House, error) {
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		return backup.House{}, err
	}
	if file == "" {
		file = settings
	}
	c, err := config.Load(cmd.Context(), config.Sources{File: file, NoFile: file == "", Environ: os.Environ(), Flags: cmd.Flags()})
	if err != nil {
		return backup.House{}, fmt.Errorf("the settings in the backup: %w", err)
	}
	h := house(c)
	return backup.House{Runtime: c.Runtime, UIDBase: c.OCI.UIDBase, ServerUID: h.ServerUID, GatewayUID: h.GatewayUID, Root: boot.AsRoot()}, nil
}

func readIdentities(path string) ([]age.Identity, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	defer f.Close()
	all, err := age.ParseIdentities(f)
	if err != nil {
		return nil, fmt.Errorf("read key in %s: %w", path, err)
	}
	return all, nil
}

// nobodyRuns refuses a data folder that is in use, and keeps a keeper from
// starting on it meanwhile.
func nobodyRuns(h boot.House) (release func(), err error) {
	if pid, err := h.ServerPID(); err != nil {
		return nil, err
	} else if pid != 0 {
		return nil, fault.New(fault.Conflict, "Carrel runs on %s (pid %d). `carrel stop` ends it.", h.DataDir, pid)
	}
	if n := keeper.Instances(h.StateDir); n > 0 {
		return nil, fault.New(fault.Conflict, "%d instances run on %s. `carrel stop` ends them.", n, h.DataDir)
	}
	lock, err := keeper.TryLock(h.StateDir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return func() {}, nil
	case errors.Is(err, keeper.ErrLocked):
		return nil, fault.New(fault.Conflict, "A keeper runs for %s. `carrel stop` ends it.", h.DataDir)
	case err != nil:
		return nil, err
	}
	return func() { lock.Close() }, nil
}

func restoreFrom(cmd *cobra.Command, from string, o backup.RestoreOptions) (backup.Restored, error) {
	if from == "-" { // read once: it is moved into its place only when every sum was right
		return backup.Restore(cmd.Context(), o, cmd.InOrStdin())
	}
	f, err := os.Open(from)
	if err != nil {
		return backup.Restored{}, fmt.Errorf("open backup: %w", err)
	}
	defer f.Close()
	if _, err := backup.Verify(cmd.Context(), f, o.Identities); err != nil {
		return backup.Restored{}, fmt.Errorf("%s: %w", from, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return backup.Restored{}, fmt.Errorf("read backup: %w", err)
	}
	return backup.Restore(cmd.Context(), o, f)
}

func tellRestored(w io.Writer, dataDir string, d backup.Restored) error {
	fmt.Fprintf(w, "Restored %s from a backup of %s (carrel %s):\n", dataDir, d.CreatedAt.Format(time.RFC3339), d.Version)
	for _, u := range d.Users {
		state := "no files yet"
		switch {
		case u.Error != "":
			state = "its files were not in the backup: " + u.Error
		case u.Volume:
			state = "files and journals"
		}
		fmt.Fprintf(w, "  %s (user %d): %s\n", u.Name, u.ID, state)
	}
	if !d.Secrets {
		fmt.Fprintln(w, "The key and carrel.yaml were left out of the backup: set them before you start Carrel.")
	}
	tellSkipped(w, "could not be made", d.Skipped)
	if d.Kept != "" {
		fmt.Fprintf(w, "What was there before is kept in %s\n", d.Kept)
	}
	_, err := fmt.Fprintln(w, "Start it with: carrel serve --data-dir "+dataDir)
	return err
}
