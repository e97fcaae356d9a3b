package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func init() {
	ops["read"] = func(args []string) (string, error) { return read(args[0]) }
	ops["write"] = func(args []string) (string, error) { return openForWriting(args[0]) }
	ops["create"] = create
	ops["unlink"] = unlink
	ops["replace"] = replace
	ops["link"] = link
	ops["names"] = names
	ops["search"] = search
	ops["contains"] = contains
	ops["mknod"] = mknod
}

// read wants one byte of a file or one name of a folder.
func read(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return "", refusedBy(err)
	}
	defer f.Close()
	if masked(f) {
		return "", refused{path + " is masked by /dev/null"}
	}
	fi, err := f.Stat()
	if err != nil {
		return "", refusedBy(err)
	}
	if fi.IsDir() {
		names, err := f.Readdirnames(8)
		if len(names) == 0 {
			return "", refused{fmt.Sprintf("%s shows no names: %v", path, err)}
		}
		return fmt.Sprintf("%s shows %v", path, names), nil
	}
	b := make([]byte, 64)
	n, err := syscall.Read(int(f.Fd()), b) // not by way of the poller, which waits
	if n <= 0 {
		return "", refused{fmt.Sprintf("%s gives nothing: %v", path, err)}
	}
	return fmt.Sprintf("%s gives %q", path, b[:n]), nil
}

// masked tells whether a file is /dev/null in another's place.
func masked(f *os.File) bool {
	var s unix.Stat_t
	return unix.Fstat(int(f.Fd()), &s) == nil && s.Mode&unix.S_IFMT == unix.S_IFCHR && s.Rdev == unix.Mkdev(1, 3)
}

// openForWriting writes nothing: that it may is enough.
func openForWriting(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return "", refusedBy(err)
	}
	defer f.Close()
	if masked(f) {
		return "", refused{path + " is masked by /dev/null"}
	}
	return path + " is open for writing", nil
}

func create(args []string) (string, error) {
	path := filepath.Join(args[0], ".probe-"+strconv.Itoa(os.Getpid()))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", refusedBy(err)
	}
	return "made " + path, errors.Join(f.Close(), os.Remove(path))
}

// unlink removes a name and puts it back.
func unlink(args []string) (string, error) {
	path, keep := args[0], args[0]+".probe"
	if err := os.Link(path, keep); err != nil {
		return "", refusedBy(err)
	}
	if err := os.Remove(path); err != nil {
		return "", errors.Join(refusedBy(err), os.Remove(keep))
	}
	return "removed " + path, os.Rename(keep, path)
}

// replace puts a link in a file's or folder's place, and undoes it.
func replace(args []string) (string, error) {
	path, keep := args[0], args[0]+".probe"
	if err := os.Rename(path, keep); err != nil {
		return "", refusedBy(err)
	}
	err := os.Symlink("/etc/passwd", path)
	if err == nil {
		err = os.Remove(path)
	}
	return "replaced " + path, errors.Join(err, os.Rename(keep, path))
}

// link leaves a symbolic link: the target, then the name.
func link(args []string) (string, error) {
	if err := os.Symlink(args[0], args[1]); err != nil {
		return "", refusedBy(err)
	}
	return args[1] + " leads to " + args[0], nil
}

// names wants entries of a folder beyond those that may be there.
func names(args []string) (string, error) {
	entries, err := os.ReadDir(args[0])
	if err != nil {
		return "", refusedBy(err)
	}
	var more []string
	for _, e := range entries {
		_, number := strconv.Atoi(e.Name())
		if number != nil && !slices.Contains(args[1:], e.Name()) {
			more = append(more, e.Name())
		}
	}
	if len(more) == 0 {
		return "", refused{args[0] + " has no other entries"}
	}
	return fmt.Sprintf("%s has %v", args[0], more), nil
}

// contains wants a text in one file.
func contains(args []string) (string, error) {
	b, err := os.ReadFile(args[0])
	if err != nil {
		return "", refusedBy(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, args[1]) {
			return fmt.Sprintf("%s: %.200q", args[0], line), nil
		}
	}
	return "", refused{args[0] + " does not have it"}
}

// search wants a text in any file below the folders, in names and contents.
func search(args []string) (string, error) {
	text, found, looked := args[0], "", 0
	for _, root := range args[1:] {
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error { // what cannot be read is refused
			if err != nil || found != "" {
				return nil //nolint:nilerr // goes on elsewhere
			}
			if strings.Contains(path, text) {
				found = "in the name " + path
				return filepath.SkipAll
			}
			if skip(path, d) {
				if d.IsDir() {
					return filepath.SkipDir
				}
				return nil
			}
			if !d.Type().IsRegular() {
				if target, err := os.Readlink(path); err == nil && strings.Contains(target, text) {
					found = "in the link " + path
				}
				return nil
			}
			looked++
			f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0) //nolint:gosec // whatever it finds is a find
			if err != nil {
				return nil //nolint:nilerr // refused
			}
			defer f.Close()
			if b, _ := io.ReadAll(io.LimitReader(f, 16<<20)); bytes.Contains(b, []byte(text)) {
				found = "in " + path
			}
			return nil
		})
	}
	if found == "" {
		return "", refused{fmt.Sprintf("not in %d files", looked)}
	}
	return found, nil
}

// skip leaves out what is endless, or waits, or is this very search.
func skip(path string, d fs.DirEntry) bool {
	switch d.Name() {
	case "task", "map_files", "kmsg", "kcore", "kpagecount", "kpageflags", "kpagecgroup", "sys", "mem", "pagemap", "smaps", "clear_refs", "kallsyms":
		return strings.HasPrefix(path, "/proc/") || path == "/sys"
	}
	return strings.HasPrefix(path, "/opt/carrel/c") // the programs themselves, which name everything
}

// mknod makes a device: b or c, major, minor, folder.
func mknod(args []string) (string, error) {
	major, _ := strconv.Atoi(args[1])
	minor, _ := strconv.Atoi(args[2])
	mode := uint32(unix.S_IFCHR)
	if args[0] == "b" {
		mode = unix.S_IFBLK
	}
	path := filepath.Join(args[3], ".probe-device-"+strconv.Itoa(os.Getpid()))
	if err := unix.Mknod(path, mode|0o600, int(unix.Mkdev(uint32(major), uint32(minor)))); err != nil {
		return "", refusedBy(err)
	}
	return "made the device " + path, os.Remove(path)
}
