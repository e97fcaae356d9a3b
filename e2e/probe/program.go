package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// programs are run as commands of their own, by their name.
var programs = map[string]func(args []string) error{
	"effective-uid": func([]string) error { _, err := fmt.Println(effectiveUID()); return err },
	"linger":        linger,
	"escape":        escape,
	"hop":           hop,
	"swap":          swap,
}

func program(name string, args []string) {
	p, ok := programs[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "no program %q\n", name)
		os.Exit(2)
	}
	if err := p(args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// lingerFor bounds what an escaped process lives, should nobody end it.
const lingerFor = 2 * time.Minute

// linger stays: its name is in its command line. It says in a file that it
// runs, stops itself when it is told to, and minds no signal.
func linger(args []string) error {
	signal.Ignore(syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT)
	if err := os.WriteFile(args[1], []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return err
	}
	if args[2] == "stop" {
		if err := syscall.Kill(os.Getpid(), syscall.SIGSTOP); err != nil {
			return err
		}
	}
	<-time.After(lingerFor)
	return nil
}

// escape leaves the tree that it belongs to, as far as it can, and leaves a
// process behind: its name, the file by which it says that it is there, and how
// ("leave", "stop" or "hop"). It returns when that one runs.
func escape(args []string) error {
	name, file, how := args[0], args[1], args[2]
	if len(args) == 3 {
		// Two forks, each in a session of its own, without environment, descriptors or folder.
		return leave("escape", name, file, how, "again")
	}
	// With the ids of a process that may change them; inside it may not.
	_, _, _ = syscall.RawSyscall(syscall.SYS_SETGROUPS, 0, 0, 0)
	last := []string{"linger", name, file, how}
	if how == "hop" {
		last = []string{"hop", name, file, "0"}
	}
	if err := leave(last...); err != nil {
		return err
	}
	return awaitFile(file)
}

func leave(args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, args...)
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	if len(args) == 5 { // the middle one ends once the last one runs
		return cmd.Wait()
	}
	return cmd.Process.Release()
}

func awaitFile(file string) error {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(file); err == nil {
			return nil
		}
	}
	return fmt.Errorf("no %s", file)
}

// hop is never the same process for long: it starts itself again and ends,
// until the file by which it said that it runs is gone.
func hop(args []string) error {
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	const began, enough = 3, 100_000
	if n == began {
		if err := os.WriteFile(args[1], nil, 0o600); err != nil {
			return err
		}
	}
	if _, err := os.Stat(args[1]); n == enough || n > began && err != nil {
		return nil
	}
	time.Sleep(time.Millisecond)
	return leave("hop", args[0], args[1], strconv.Itoa(n+1))
}

// swap changes a name between a file and a link, until it is ended.
func swap(args []string) error {
	name, target := args[0], args[1]
	for i := 0; ; i++ {
		making := name + ".new"
		var err error
		if i%2 == 0 {
			err = os.Symlink(target, making)
		} else {
			err = os.WriteFile(making, []byte("harmless"), 0o600)
		}
		if err := errors.Join(err, os.Rename(making, name)); err != nil {
			return err
		}
	}
}

func init() {
	// Zombies that wait for their reaper.
	ops["zombies"] = func([]string) (string, error) {
		files, _ := filepath.Glob("/proc/[0-9]*/stat")
		n := 0
		for _, f := range files {
			b, err := os.ReadFile(f)
			if _, rest, ok := strings.Cut(string(b), ") "); err == nil && ok && strings.HasPrefix(rest, "Z") {
				n++
			}
		}
		if n == 0 {
			return "", refused{fmt.Sprintf("none of %d", len(files))}
		}
		return fmt.Sprintf("%d zombies", n), nil
	}
	ops["limit"] = func([]string) (string, error) {
		var core unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil {
			return "", err
		}
		if core.Max == 0 {
			return "", refused{"no core dumps"}
		}
		return fmt.Sprintf("core dumps of %d bytes", core.Cur), nil
	}
}
