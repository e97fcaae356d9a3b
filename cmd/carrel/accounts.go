package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/config"
	"github.com/carrel-dev/carrel/internal/store"
)

// withAccounts opens the accounts of a data folder, as the server's user, also
// while a server runs.
func withAccounts(cmd *cobra.Command, f func(context.Context, *account.Service) error) (err error) {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return err
	}
	h := house(cfg)
	if err := h.Prepare(); err != nil {
		return err
	}
	// What it makes in the data folder must be the server's, not root's.
	if err := h.DropToServer(); err != nil {
		return err
	}
	log := newLog(cmd.ErrOrStderr(), config.Log{Level: "warn", Format: "text"})
	ctx, cancel := context.WithTimeout(cmd.Context(), 30*time.Second)
	defer cancel()
	db, err := store.Open(ctx, databaseFile, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return f(ctx, account.New(account.Options{DB: db.Bun(), Policy: cfg.Registration, DefaultQuota: cfg.Quota.Limits(), Log: log}))
}

func userCommand() *cobra.Command {
	var n account.NewUser
	var fromStdin bool
	add := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a person, also while the server runs",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n.Username = args[0]
			password, err := readPassword(cmd, fromStdin)
			if err != nil {
				return err
			}
			n.Password = password
			return withAccounts(cmd, func(ctx context.Context, s *account.Service) error {
				u, err := s.Create(ctx, n)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is user %d (%s)\n", u.Username, u.ID, u.Role)
				return err
			})
		},
	}
	add.Flags().StringVar(&n.Role, "role", account.RoleUser, "admin, moderator or user")
	add.Flags().StringVar(&n.Email, "email", "", "e-mail address, with which they may sign in too")
	add.Flags().StringVar(&n.Language, "language", "en", "en or zh-CN")
	add.Flags().BoolVar(&fromStdin, "password-stdin", false, "read the password from standard input, up to the first line's end")
	dataFlags(add)
	return group("user", "Manage people", add)
}

// readPassword asks on the terminal, twice, or reads one line.
func readPassword(cmd *cobra.Command, fromStdin bool) (string, error) {
	in := cmd.InOrStdin()
	f, isFile := in.(interface{ Fd() uintptr })
	if fromStdin || !isFile || !term.IsTerminal(int(f.Fd())) {
		if !fromStdin {
			return "", errors.New("there is no terminal to ask for a password on; use --password-stdin")
		}
		b, err := io.ReadAll(io.LimitReader(in, 64<<10))
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		line, _, _ := strings.Cut(string(b), "\n")
		return strings.TrimSuffix(line, "\r"), nil
	}
	var typed [2]string
	for i, prompt := range []string{"Password: ", "Again: "} {
		fmt.Fprint(cmd.ErrOrStderr(), prompt)
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		typed[i] = string(b)
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two passwords differ; nothing was changed")
	}
	return typed[0], nil
}

func tokenCommand() *cobra.Command {
	var user, name string
	create := &cobra.Command{
		Use:   "create",
		Short: "Make an API token of a user and print it, once",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if user == "" {
				return errors.New("--user is missing: whose token shall it be?")
			}
			return withAccounts(cmd, func(ctx context.Context, s *account.Service) error {
				u, err := s.UserByName(ctx, user)
				if err != nil {
					return err
				}
				_, secret, err := s.CreateToken(ctx, u.ID, name, nil)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), secret)
				return err
			})
		},
	}
	create.Flags().StringVar(&user, "user", "", "name of the user")
	create.Flags().StringVar(&name, "name", "command line", "what the token is for")
	dataFlags(create)
	return group("token", "Manage API tokens", create)
}
