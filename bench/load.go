package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// loadSettings are the flags of the parts that run with -load.
type loadSettings struct {
	on       bool
	clients  sizes
	users    int // at most so many people hold the clients
	real     sizes
	watchers int
	adopt    sizes
	sessions sizes
	events   sizes
	rhythm   time.Duration
	window   time.Duration // how long something is watched
}

func (l *loadSettings) flags(f *flag.FlagSet) {
	l.clients, l.real, l.adopt = sizes{1, 10, 50, 200, 1000, 5000}, sizes{10}, sizes{10, 100}
	l.sessions, l.events = sizes{100, 1000, 10000}, sizes{1000, 50000}
	f.BoolVar(&l.on, "load", false, "measure many people at once, in place of one")
	f.Var(&l.clients, "clients", "load: WebSocket clients of one server, from small to large")
	f.IntVar(&l.users, "load-users", 50, "load: most people that hold them, each with an instance")
	f.Var(&l.real, "real", "load: real CLIs that live at once")
	f.IntVar(&l.watchers, "watchers", 200, "load: other clients that are connected beside the real CLIs")
	f.Var(&l.adopt, "adopt", "load: instances that a new server finds after kill -9 of the one before")
	f.Var(&l.sessions, "sessions", "load: sessions of one person whose list is read")
	f.Var(&l.events, "events", "load: events of one session whose end is read")
	f.DurationVar(&l.rhythm, "rhythm", 10*time.Second, "load: between two prompts of a session with a real CLI")
	f.DurationVar(&l.window, "for", 15*time.Second, "load: how long streaming, rest and rhythm are watched")
}

func (l *loadSettings) check() error {
	if l.users < 1 || l.watchers < 0 || l.rhythm <= 0 || l.window < time.Second {
		return errors.New("-load-users must be at least 1, -for at least 1s, -rhythm more than 0, -watchers not less")
	}
	return nil
}

// sizes are numbers with commas, each more than the one before.
type sizes []int

func (s *sizes) String() string {
	var all []string
	for _, n := range *s {
		all = append(all, strconv.Itoa(n))
	}
	return strings.Join(all, ",")
}

// Set is flag.Value's.
func (s *sizes) Set(text string) error {
	var all sizes
	for one := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(one))
		if err != nil || n < 1 {
			return fmt.Errorf("%q is not a number of 1 or more", one)
		}
		if len(all) > 0 && n <= all[len(all)-1] {
			return fmt.Errorf("%d comes after %d: from small to large", n, all[len(all)-1])
		}
		all = append(all, n)
	}
	*s = all
	return nil
}

// sessionsEach is how many sessions a person of a load test has at most.
const sessionsEach = 10

// crowded is a Carrel for many: the stand-in is in the CLI's place, and the report says so.
func (b *bench) crowded(ctx context.Context) (serving, error) {
	if b.standin == "" {
		path := filepath.Join(b.dir, "standin")
		ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "./bench/standin")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // it runs where no library is
		if out, err := cmd.CombinedOutput(); err != nil {
			return serving{}, fmt.Errorf("build the stand-in: %w: %s", err, out)
		}
		b.standin = path
	}
	b.report.note("where a part says stand-in, bench/standin ran in the place of the Claude CLI, raw side and Carrel alike: a static program that "+
		"speaks the CLI's stream-json, waits %s before its first piece, and asks no model", "40 ms")
	return serving{claude: b.standin, live: sessionsEach + 2, keep: true}, nil
}

// realCrowd is a Carrel for many with the real CLI.
func (b *bench) realCrowd() serving {
	return serving{claude: b.set.claude, live: sessionsEach + 2, keep: true}
}
