// Command standin takes the Claude CLI's place in load tests, where as many real
// ones would fill the machine: a small static program that speaks as much of
// the CLI's stream-json as Carrel needs. It asks no model, runs no tool and
// keeps no conversation; it is for the benchmark alone.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
)

func main() {
	if slices.Contains(os.Args, "--version") {
		fmt.Println("0.0.0 (the benchmark's stand-in for Claude Code)")
		return
	}
	if err := run(os.Args, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "standin:", err)
		os.Exit(1)
	}
}

// run answers line after line until its input ends. A prompt that comes in a
// turn waits for the turn's end.
func run(argv []string, in io.Reader, out io.Writer) error {
	v := voice{out: bufio.NewWriter(out), session: sessionOf(argv)}
	s := bufio.NewScanner(in)
	s.Buffer(nil, 32<<20)
	for s.Scan() {
		if err := v.hear(s.Bytes()); err != nil {
			return err
		}
	}
	return s.Err()
}

// sessionOf finds the conversation in a command line.
func sessionOf(argv []string) string {
	for _, name := range []string{"--session-id", "--resume"} {
		if i := slices.Index(argv, name); i >= 0 && i+1 < len(argv) {
			return argv[i+1]
		}
	}
	return ""
}
