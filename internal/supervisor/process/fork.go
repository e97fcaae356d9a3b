package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/carrel-dev/carrel/internal/fault"
)

// fork starts the child of a spec. t.mu is held.
func (t *Table) fork(s Spec, m mark) (int, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", s.Kind, err)
	}
	defer null.Close()
	var fds [3]uintptr
	for i, f := range []*os.File{s.Stdin, s.Stdout, s.Stderr} {
		if f == nil {
			f = null
		}
		fds[i] = f.Fd()
	}
	attr := &syscall.ProcAttr{Dir: s.Dir, Env: m.environ(s.Env), Files: fds[:], Sys: &syscall.SysProcAttr{
		// A session of its own: no controlling terminal but the one it is given.
		Setsid: true, Setctty: s.Terminal, Ctty: 0,
	}}
	if attr.Dir == "" {
		attr.Dir = "/"
	}
	if t.opt.UID >= 0 {
		attr.Sys.Credential = &syscall.Credential{Uid: uint32(t.opt.UID), Gid: uint32(t.opt.GID), Groups: m.groups()}
	}
	pid, err := execute(s.Argv, attr)
	// The files must outlive the call that uses their descriptors.
	runtime.KeepAlive(s)
	if err != nil {
		return 0, startError(s, err)
	}
	return pid, nil
}

// execute is execvp(3) in the child: a name without a slash is tried in every folder of PATH. The child tries, as
// the person; this process may not even look into the person's folders.
func execute(argv []string, attr *syscall.ProcAttr) (int, error) {
	if strings.Contains(argv[0], "/") {
		return syscall.ForkExec(argv[0], argv, attr)
	}
	found := error(syscall.ENOENT)
	for _, dir := range filepath.SplitList(lookup(attr.Env, "PATH")) {
		if !filepath.IsAbs(dir) {
			continue // what the project's folder holds is not run by its mere name
		}
		pid, err := syscall.ForkExec(filepath.Join(dir, argv[0]), argv, attr)
		switch {
		case err == nil:
			return pid, nil
		case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		case errors.Is(err, syscall.EACCES):
			found = err
		default:
			return 0, err
		}
	}
	return 0, found
}

func lookup(env []string, name string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(env[i], name+"="); ok {
			return v
		}
	}
	return ""
}

func startError(s Spec, err error) error {
	name := CommandText(s.Argv[:1])
	cause := fmt.Errorf("start %s: %w", s.Kind, err)
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		// The folder may be what is missing, which the kernel does not tell apart.
		return fault.Wrap(cause, fault.Invalid, "%s could not be run: there is no such program or folder.", name)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		// Nor does it tell whether the program is closed or the folder.
		return fault.Wrap(cause, fault.Invalid, "%s could not be run: it is not an executable program, or the folder that it is to run in is closed to you. If it is your home, restart your instance: that opens it again.", name)
	case errors.Is(err, syscall.ENOEXEC):
		return fault.Wrap(cause, fault.Invalid, "%s could not be run: it is not an executable program.", name)
	case errors.Is(err, syscall.ELOOP):
		return fault.Wrap(cause, fault.Invalid, "%s could not be run: it, or the folder that it is to run in, is a link that leads to itself.", name)
	case errors.Is(err, syscall.ENAMETOOLONG):
		return fault.Wrap(cause, fault.Invalid, "%s could not be run: the name of the program or of the folder is too long.", name)
	case errors.Is(err, syscall.ETXTBSY):
		return fault.Wrap(cause, fault.Invalid, "%s could not be run: something is writing to it. Try again when that has ended.", name)
	case errors.Is(err, syscall.E2BIG), errors.Is(err, syscall.EINVAL):
		return fault.Wrap(cause, fault.Invalid, "%s could not be run: its arguments or variables are too long or hold a zero byte.", name)
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM):
		return fault.Wrap(cause, fault.QuotaExceeded, "%s could not be run: your instance is at its limit of processes or memory. End something that runs and try again.", name)
	}
	return cause
}
