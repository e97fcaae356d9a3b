// Command bench measures Carrel beside what it is made of, in one run on one
// machine: the raw Claude CLI, a bare `runc run`. It drives the real
// `bin/carrel serve` through the public API as people would, with a scripted
// model of its own behind both sides, and prints a table of medians and ratios.
// With -load it measures what many people at once cost; docs/load.md tells
// how to read that.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// settings are the flags.
type settings struct {
	n        int
	together int
	users    int
	binary   string
	claude   string
	runtime  string
	json     bool
	only     []string
	load     loadSettings
}

// part is one group of rows.
type part struct {
	name string
	load bool // runs with -load, and else when it is named
	run  func(context.Context, *bench) error
}

// parts in the order in which they run; each stands on its own.
var parts = []part{
	{"start", false, start},
	{"first-token", false, firstToken},
	{"together", false, together},
	{"instance", false, instances},
	{"memory", false, memory},
	{"clients", true, clients},
	{"real", true, realOnes},
	{"adopt", true, adopt},
	{"history", true, history},
	{"density", true, density},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, argv []string) (err error) {
	set, err := parse(argv)
	if err != nil {
		return err
	}
	b, err := newBench(set)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	for _, p := range parts {
		if !set.wants(p) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s …\n", p.name)
		began := time.Now()
		if err = p.run(ctx, b); err != nil {
			err = fmt.Errorf("%s: %w", p.name, err)
			break // what was measured before is told all the same
		}
		fmt.Fprintf(os.Stderr, "%s done in %.1f s\n", p.name, time.Since(began).Seconds())
	}
	err = errors.Join(err, b.stopCarrel())
	if set.json {
		return errors.Join(err, b.report.writeJSON(os.Stdout))
	}
	return errors.Join(err, b.report.write(os.Stdout))
}

// wants tells whether a part is to run.
func (set settings) wants(p part) bool {
	if len(set.only) > 0 {
		return slices.Contains(set.only, p.name)
	}
	return p.load == set.load.on
}

func parse(argv []string) (settings, error) {
	set := settings{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&set.n, "n", 5, "how often each thing is measured")
	f.IntVar(&set.together, "together", 10, "turns at once")
	f.IntVar(&set.users, "users", 5, "people whose turns those are")
	f.StringVar(&set.binary, "carrel", "bin/carrel", "the program to measure")
	f.StringVar(&set.claude, "claude", os.Getenv("CARREL_CLAUDE_PATH"), "the Claude CLI; by default the one that make setup installs")
	f.StringVar(&set.runtime, "runtime", "oci", "what makes instances: oci or bare")
	f.BoolVar(&set.json, "json", false, "print JSON instead of a table")
	set.load.flags(f)
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	only := f.String("only", "", "some parts alone, with commas: "+strings.Join(names, ", "))
	if err := f.Parse(argv); err != nil {
		return set, err
	}
	if *only != "" {
		set.only = strings.Split(*only, ",")
		for _, name := range set.only {
			if !slices.Contains(names, name) {
				return set, fmt.Errorf("no part is called %q; there are %s", name, strings.Join(names, ", "))
			}
		}
	}
	if set.n < 1 || set.together < 1 || set.users < 1 {
		return set, errors.New("-n, -together and -users must be at least 1")
	}
	if err := set.load.check(); err != nil {
		return set, err
	}
	var err error
	if set.binary, err = exec.LookPath(set.binary); err != nil {
		return set, fmt.Errorf("find carrel (make build makes it): %w", err)
	}
	if set.binary, err = filepath.Abs(set.binary); err != nil {
		return set, err
	}
	if set.claude == "" {
		set.claude = ".cache/claude/node_modules/@anthropic-ai/claude-code-linux-x64/claude"
	}
	if set.claude, err = filepath.Abs(set.claude); err != nil {
		return set, err
	}
	if _, err := os.Stat(set.claude); err != nil {
		return set, fmt.Errorf("find the Claude CLI (make claude installs it): %w", err)
	}
	return set, nil
}
