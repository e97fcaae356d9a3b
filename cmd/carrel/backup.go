package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/carrel-dev/carrel/internal/backup"
	"github.com/carrel-dev/carrel/internal/backup/tree"
	"github.com/carrel-dev/carrel/internal/boot"
	"github.com/carrel-dev/carrel/internal/keeper"
)

func backupCommand() *cobra.Command {
	var recipients []string
	var withoutSecrets bool
	cmd := &cobra.Command{
		Use:   "backup FILE|-",
		Short: "Save accounts, sessions, files, journals and secrets in one file, also while Carrel runs",
		Long: `Writes one file (tar, compressed by zstd) that "carrel restore" makes a data folder
of. Nobody has to stop working. "-" writes to standard output.

The file holds the key, password hashes and everything that people wrote: keep it
as you keep the data folder, or encrypt it with --recipient (age).`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			keys, err := parseRecipients(recipients)
			if err != nil {
				return err
			}
			h := house(cfg)
			if err := mayRead(h); err != nil {
				return err
			}
			client := keeper.NewClient(h.StateDir, cfg.Runtime)
			defer client.Close()
			o := backup.Options{
				Version: version, DataDir: h.DataDir, StateDir: h.StateDir, ServerUID: h.ServerUID, Keeper: client, Secrets: !withoutSecrets, Recipients: keys,
				CopyStore: func(ctx context.Context, to string) ([]backup.Account, error) { return copyStore(ctx, h, to) },
				Progress:  progress(cmd.ErrOrStderr()), Now: time.Now(),
			}
			m, err := writeBackup(cmd, args[0], o)
			if err != nil {
				return err
			}
			return tellBackup(cmd.ErrOrStderr(), m)
		},
	}
	cmd.Flags().StringArrayVar(&recipients, "recipient", nil, "encrypt for this age recipient (age1…); may be given more than once")
	cmd.Flags().BoolVar(&withoutSecrets, "exclude-secrets", false, "leave the key and carrel.yaml out; hashes of passwords and tokens are in it all the same")
	dataFlags(cmd)
	return cmd
}

func parseRecipients(texts []string) ([]age.Recipient, error) {
	var all []age.Recipient
	for _, t := range texts {
		r, err := age.ParseRecipients(bytes.NewReader([]byte(t)))
		if err != nil {
			return nil, fmt.Errorf("--recipient %s: %w", t, err)
		}
		all = append(all, r...)
	}
	return all, nil
}

// mayRead refuses early what would fail in the middle.
func mayRead(h boot.House) error {
	if _, err := os.Stat(filepath.Join(h.DataDir, databaseFile)); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no Carrel in %s; --data-dir names another folder", h.DataDir)
	} else if err != nil && !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("look at the data folder: %w", err)
	}
	if boot.AsRoot() {
		return nil
	}
	if images, _ := filepath.Glob(filepath.Join(h.DataDir, "volumes", "*.img")); len(images) > 0 {
		return errors.New("people's volumes can be read by root alone: sudo carrel backup")
	}
	if _, err := os.ReadDir(filepath.Join(h.DataDir, "volumes")); errors.Is(err, os.ErrPermission) {
		return errors.New("people's volumes can be read by root alone: sudo carrel backup")
	}
	return nil
}

// writeBackup writes to a file that appears when it is whole.
func writeBackup(cmd *cobra.Command, to string, o backup.Options) (backup.Manifest, error) {
	if to == "-" {
		if f, ok := cmd.OutOrStdout().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			return backup.Manifest{}, errors.New("a backup is nothing for a terminal; give a file, or send it into a pipe")
		}
		return backup.Run(cmd.Context(), o, cmd.OutOrStdout())
	}
	if _, err := os.Lstat(to); err == nil {
		return backup.Manifest{}, fmt.Errorf("%s is there already; give another name", to)
	}
	f, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".part-") // mode 0600
	if err != nil {
		return backup.Manifest{}, fmt.Errorf("make backup file: %w", err)
	}
	m, err := backup.Run(cmd.Context(), o, f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Link(f.Name(), to) // not over another
	}
	return m, errors.Join(err, os.Remove(f.Name()))
}

func tellBackup(w io.Writer, m backup.Manifest) error {
	var size, entries int64
	for _, p := range m.Parts {
		size += p.Bytes
		entries += p.Entries
	}
	fmt.Fprintf(w, "Saved %d users, %d files and folders, %s.\n", len(m.Users), entries, bytesText(size))
	tellSkipped(w, "left out", m.Skipped)
	failed := 0
	for _, u := range m.Users {
		if u.Error != "" {
			failed++
			fmt.Fprintf(w, "NOT saved: the files of %s (user %d): %s\n", u.Name, u.ID, u.Error)
		}
	}
	if failed > 0 {
		return fmt.Errorf("the files of %d users are not in the backup; all else is", failed)
	}
	return nil
}

func tellSkipped(w io.Writer, what string, n tree.Notes) {
	if n.Count == 0 {
		return
	}
	fmt.Fprintf(w, "%d files %s:\n", n.Count, what)
	for _, t := range n.First[:min(len(n.First), 20)] {
		fmt.Fprintln(w, "  "+t)
	}
	if n.Count > 20 {
		fmt.Fprintln(w, "  …")
	}
}

// progress says how far it is every two seconds, once it takes longer.
func progress(w io.Writer) func(backup.Progress) {
	const every = 2 * time.Second
	last := time.Now()
	return func(p backup.Progress) {
		if time.Since(last) < every {
			return
		}
		last = time.Now()
		users := ""
		if p.Users > 0 {
			users = fmt.Sprintf("%d of %d users, ", p.Before, p.Users)
		}
		fmt.Fprintf(w, "%s%d files and folders, %s; now: %s\n", users, p.Entries, bytesText(p.Bytes), p.What)
	}
}

func bytesText(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// copyStore has the database copied by a process of the server's user.
func copyStore(ctx context.Context, h boot.House, to string) ([]backup.Account, error) {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "store-copy", to, "--data-dir", h.DataDir, "--server-uid", strconv.Itoa(h.ServerUID))
	cmd.Args[0] = "carrel"
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	cmd.WaitDelay = time.Second
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("copy the database: %w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	var all []backup.Account
	if err := json.Unmarshal(out.Bytes(), &all); err != nil {
		return nil, fmt.Errorf("copy the database: %w", err)
	}
	return all, nil
}

func storeCopyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "store-copy NAME", Short: "Copy the database beside itself, started by backup", Hidden: true, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		dir, err := cmd.Flags().GetString("data-dir")
		if err != nil {
			return err
		}
		uid, err := cmd.Flags().GetInt("server-uid")
		if err != nil {
			return err
		}
		if err := (boot.House{DataDir: dir, ServerUID: uid}).DropToServer(); err != nil {
			return err
		}
		all, err := backup.CopyStore(cmd.Context(), databaseFile, args[0])
		if err != nil {
			return err
		}
		return json.NewEncoder(cmd.OutOrStdout()).Encode(all)
	}}
	cmd.Flags().String("data-dir", "", "data folder")
	cmd.Flags().Int("server-uid", 0, "the server's user")
	return cmd
}
