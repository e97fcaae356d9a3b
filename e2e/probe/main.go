// Command probe runs inside an instance, as the person, and tries what must be
// refused there. It reads tasks from standard input, one JSON object a line,
// does each in a process of its own (a refusal may kill, a success may change
// the process for good), and answers one line each. It judges nothing but
// whether it got what it wanted; the tests say whether it should have.
//
// On a machine without a sandbox it is run as root to see that every attempt
// can succeed: so no attempt leaves a lasting change.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// task is one attempt: an operation and what it needs.
type task struct {
	Name string   `json:"name"`
	Op   string   `json:"op"`
	Args []string `json:"args,omitempty"`
}

// outcome is what came of it.
type outcome struct {
	Name   string `json:"name"`
	Got    bool   `json:"got"`
	Detail string `json:"detail"`
	Broken bool   `json:"broken,omitempty"` // the probe itself is at fault
	MS     int64  `json:"ms"`
}

// refused says that an attempt did not get what it wanted. Any other error is
// a fault of the probe.
type refused struct{ why string }

func (r refused) Error() string { return r.why }

func refusedBy(err error) error { return refused{err.Error()} }

// op tries something; the text tells what was got.
type op func(args []string) (string, error)

var ops = map[string]op{}

func init() {
	// Namespaces and ids are a thread's own.
	runtime.LockOSThread()
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: probe run < tasks; probe PROGRAM ARGUMENTS")
		os.Exit(2)
	}
	switch os.Args[1] {
	case "run":
		if err := run(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	case "one":
		one()
	default:
		program(os.Args[1], os.Args[2:])
	}
}

func run(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var t task
		if err := json.Unmarshal(lines.Bytes(), &t); err != nil {
			return fmt.Errorf("read task: %w", err)
		}
		if err := json.NewEncoder(out).Encode(try(t, lines.Bytes())); err != nil {
			return err
		}
	}
	return lines.Err()
}

// patience is for one attempt.
const patience = 15 * time.Second

// try does one task in a child. The task goes by standard input: what is in a
// command line would be found by a probe that looks for it.
func try(t task, line []byte) outcome {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "one")
	cmd.Stdin = bytes.NewReader(line)
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	o := outcome{Name: t.Name, Detail: strings.TrimSpace(stdout.String()), MS: time.Since(start).Milliseconds()}
	var exit *exec.ExitError
	switch {
	case err == nil:
		o.Got = true
	case ctx.Err() != nil:
		o.Detail = "no answer in time " + o.Detail
	case errors.As(err, &exit) && exit.ExitCode() == exitRefused:
	case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGSYS:
		o.Detail = "killed by the filter of system calls"
	default:
		o.Broken = true
		o.Detail = fmt.Sprintf("%v %s %s", err, o.Detail, tail(stderr.String()))
	}
	return o
}

const exitRefused = 3

func one() {
	var t task
	if err := json.NewDecoder(os.Stdin).Decode(&t); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	f, ok := ops[t.Op]
	if !ok {
		fmt.Fprintf(os.Stderr, "no operation %q\n", t.Op)
		os.Exit(2)
	}
	text, err := f(t.Args)
	var r refused
	switch {
	case errors.As(err, &r):
		fmt.Println(r.why)
		os.Exit(exitRefused)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	fmt.Println(text)
}

func tail(s string) string { return s[max(0, len(s)-600):] }

// gate judges a bare system call: a refusal is an error of permission, or that
// there is no such call. Any other error is the kernel's own work with what it
// was asked, and nothing stood before it.
func gate(name string, errno syscall.Errno) (string, error) {
	switch errno {
	case syscall.EPERM, syscall.EACCES, syscall.ENOSYS:
		return "", refused{name + ": " + errno.Error()}
	case 0:
		return name + " worked", nil
	}
	return name + " reached the kernel: " + errno.Error(), nil
}
