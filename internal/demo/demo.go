// Package demo walks through what Carrel does, in the terminal, on the real
// system: it starts a server with a data folder of its own, drives it through
// the public API as two people would, says what it does, and fails at the
// first step that does not hold.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/carrel-dev/carrel/internal/boot"
)

// Options are what the walk needs.
type Options struct {
	Binary string   // this program
	Env    []string // settings of the server, such as the runtime
	Out    io.Writer
}

// walk is one run of the demo.
type walk struct {
	ctx    context.Context
	out    io.Writer
	server *server
	ada    *person // administrator
	bob    *person
	n      int
}

// step is one claim and what shows it.
type step struct {
	title string
	run   func(*walk) error
}

// Run walks through every step; nil means that each held.
func Run(ctx context.Context, opt Options) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "carrel-demo-")
	if err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	defer func() {
		_ = os.RemoveAll(dir) // both are for this walk alone
		_ = os.RemoveAll(boot.StateDirFor(filepath.Join(dir, "data")))
	}()
	w := &walk{ctx: ctx, out: opt.Out}
	w.say("Carrel's demo: two people, two desks, the real Claude CLI, a scripted model in the place of Anthropic's.")
	w.server, err = startServer(ctx, opt, filepath.Join(dir, "data"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.server.stop()) }()
	start := time.Now()
	for _, s := range steps {
		w.n++
		fmt.Fprintf(w.out, "\n%2d. %s\n", w.n, s.title)
		if err := s.run(w); err != nil {
			fmt.Fprintf(w.out, "    ✗ %v\n", err)
			return fmt.Errorf("step %d (%s): %w", w.n, s.title, err)
		}
	}
	fmt.Fprintf(w.out, "\nEvery one of %d steps held, in %.1f s.\n", len(steps), time.Since(start).Seconds())
	return nil
}

func (w *walk) say(format string, args ...any) {
	fmt.Fprintf(w.out, "    "+format+"\n", args...)
}

// held says that something is as it should be.
func (w *walk) held(format string, args ...any) {
	fmt.Fprintf(w.out, "    ✓ "+format+"\n", args...)
}

// expect turns a claim that does not hold into an error.
func expect(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// contains is expect for a text.
func contains(text, part string) error {
	return expect(strings.Contains(text, part), "%q is not in %q", part, cut(text))
}

func cut(s string) string {
	if len(s) > 300 {
		return strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}
