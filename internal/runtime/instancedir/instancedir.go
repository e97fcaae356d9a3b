// Package instancedir is what every runtime that makes instances on this host
// keeps of them on disk: one folder each, with the record that they are found
// again by, and their sockets.
package instancedir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/runtime"
)

// Root is the folder of all instances' folders.
type Root string

// At is <state>/instances.
func At(stateDir string) Root { return Root(filepath.Join(stateDir, "instances")) }

var (
	idPattern   = regexp.MustCompile(runtime.IDPattern)
	namePattern = regexp.MustCompile(runtime.NamePattern)
)

// Validate refuses what no runtime takes.
func Validate(spec runtime.Spec, maxUserID int64) error {
	switch {
	case !idPattern.MatchString(spec.ID):
		return fault.InvalidField("id", "An instance id looks like i-0123456789ab.")
	case spec.UserID <= 0 || spec.UserID > maxUserID:
		return fault.InvalidField("user_id", "User ids go from 1 to %d.", maxUserID)
	case !namePattern.MatchString(spec.Name) || spec.Name == "root" || spec.Name == "nobody":
		return fault.InvalidField("name", "A login name is 1 to 31 of a-z, 0-9, _ and -, beginning with a letter.")
	case spec.Language != "" && spec.Language != "en" && spec.Language != "zh-CN":
		return fault.InvalidField("language", "The language is en or zh-CN.")
	case spec.LiveSessions < 0:
		return fault.InvalidField("live_sessions", "The number of live sessions is at least 0.")
	}
	return ValidateLimits(spec.Limits)
}

// ValidateLimits refuses limits that no kernel takes.
func ValidateLimits(l runtime.Limits) error {
	if !(l.CPU > 0 && l.CPU <= 1024) || l.MemoryBytes < 64<<20 || l.MemoryBytes > 1<<50 || l.PIDs < 16 || l.PIDs > 1<<22 ||
		l.StorageBytes < 16<<20 || l.StorageBytes > 16<<40 || l.Inodes < 128 || l.Inodes > 1<<32-1 {
		return fault.InvalidField("limits", "A limit is out of range.")
	}
	return nil
}

func notThere() error { return fault.New(fault.NotFound, "There is no such instance.") }

// Dir is the folder of one instance.
func (r Root) Dir(id string) string { return filepath.Join(string(r), id) }

// Open makes the folder, and removes what a keeper that died was just making
// or removing in it.
func (r Root) Open() error {
	if err := os.MkdirAll(string(r), 0o711); err != nil {
		return fmt.Errorf("make folder of instances: %w", err)
	}
	entries, err := os.ReadDir(string(r))
	if err != nil {
		return fmt.Errorf("list instances: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), makingPrefix) || strings.HasPrefix(e.Name(), goingPrefix) {
			if err := os.RemoveAll(filepath.Join(string(r), e.Name())); err != nil {
				return fmt.Errorf("remove a left-over: %w", err)
			}
		}
	}
	return nil
}

const makingPrefix, goingPrefix = ".making-", ".going-"

// Add makes an instance's folder with its record in it, both at once. An id
// that is there is an error.
func (r Root) Add(h runtime.Handle) (err error) {
	making := filepath.Join(string(r), makingPrefix+h.Spec.ID)
	if err := os.Mkdir(making, 0o711); err != nil {
		return fmt.Errorf("make instance folder: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(making))
		}
	}()
	if err := os.Chmod(making, 0o711); err != nil { // whatever the umask is
		return fmt.Errorf("make instance folder: %w", err)
	}
	if err := write(making, h); err != nil {
		return err
	}
	if err := os.Rename(making, r.Dir(h.Spec.ID)); err != nil {
		return fmt.Errorf("make instance folder: %w", err)
	}
	return nil
}

// Write replaces the record, whole or not at all.
func (r Root) Write(h runtime.Handle) error { return write(r.Dir(h.Spec.ID), h) }

func write(dir string, h runtime.Handle) error {
	b, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("encode instance: %w", err)
	}
	path := filepath.Join(dir, "spec.json")
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return fmt.Errorf("write instance: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write instance: %w", err)
	}
	return nil
}

// Read gives one instance's record; fault.NotFound when there is none.
func (r Root) Read(id string) (runtime.Handle, error) {
	var h runtime.Handle
	if !idPattern.MatchString(id) {
		return h, notThere()
	}
	b, err := os.ReadFile(filepath.Join(r.Dir(id), "spec.json"))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return h, notThere()
		}
		return h, fmt.Errorf("read instance: %w", err)
	}
	if err := json.Unmarshal(b, &h); err != nil {
		return h, fmt.Errorf("read instance: %w", err)
	}
	if h.Spec.ID != id {
		return h, fmt.Errorf("read instance: %s says that it is %s", id, h.Spec.ID)
	}
	return h, nil
}

// List gives all records.
func (r Root) List(log *slog.Logger) ([]runtime.Handle, error) {
	entries, err := os.ReadDir(string(r))
	if err != nil {
		return nil, fmt.Errorf("list instances: %w", err)
	}
	var out []runtime.Handle
	for _, e := range entries {
		if !idPattern.MatchString(e.Name()) {
			continue
		}
		h, err := r.Read(e.Name())
		if err != nil {
			if !errors.Is(err, fault.NotFoundError) { // else: removed a moment ago
				log.Error("read an instance's record", "instance_id", e.Name(), "err", err)
			}
			continue
		}
		out = append(out, h)
	}
	return out, nil
}

// Remove renames first: a half-deleted folder is never taken for an instance.
func (r Root) Remove(id string) error {
	going := filepath.Join(string(r), goingPrefix+id)
	if err := os.Rename(r.Dir(id), going); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove instance folder: %w", err)
	}
	if err := os.RemoveAll(going); err != nil {
		return fmt.Errorf("remove instance folder: %w", err)
	}
	return nil
}

// Listen makes a listening unix socket, replacing an earlier one. The folder's
// only writer is the caller, so nobody meets it before it has owner and mode.
func Listen(path string, uid, gid int, mode os.FileMode) (*os.File, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove old socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	l.SetUnlinkOnClose(false)
	defer l.Close()
	if err := errors.Join(os.Chmod(path, mode), os.Lchown(path, uid, gid)); err != nil {
		return nil, fmt.Errorf("own socket: %w", err)
	}
	f, err := l.File()
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return f, nil
}

// SupervisorSocket is where the server dials the supervisor.
func (r Root) SupervisorSocket(id string) string {
	return filepath.Join(r.Dir(id), "run", "supervisor.sock")
}

// Dial connects to a supervisor, by the socket's mode alone: it needs no root.
func (r Root) Dial(ctx context.Context, id string) (net.Conn, error) {
	if !idPattern.MatchString(id) {
		return nil, notThere()
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", r.SupervisorSocket(id))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fault.Wrap(err, fault.NotFound, "There is no such instance.")
		}
		return nil, fmt.Errorf("dial supervisor: %w", err)
	}
	return c, nil
}
