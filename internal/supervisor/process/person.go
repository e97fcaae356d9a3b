package process

import (
	"errors"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// AsPerson runs f with the person's uid for all that concerns files: what it opens it may open as them, what it makes
// is theirs. It is for the few things that a supervisor without CAP_DAC_OVERRIDE must do itself: to open a terminal,
// to connect to a socket of theirs. f must stay in its goroutine. A negative uid changes nothing.
func AsPerson(uid int, f func() error) error {
	own := os.Geteuid()
	if uid < 0 || uid == own {
		return f()
	}
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The uid for files is one thread's alone.
		runtime.LockOSThread()
		_ = unix.Setfsuid(uid) // it reports no error; what f does will
		err = f()
		_ = unix.Setfsuid(own)
		// Only a thread that is its old self again goes back to the others; else it ends here.
		if now, _ := unix.SetfsuidRetUid(-1); now == own {
			runtime.UnlockOSThread()
		}
	}()
	<-done
	return err
}

// oomScore makes the kernel end the person's processes before the supervisor when memory is out.
const oomScore = 300

// raiseOOMScore sets it for a child. The file belongs to whom the child runs as.
func raiseOOMScore(pid, uid int, log *slog.Logger) {
	err := AsPerson(uid, func() error {
		return os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", []byte(strconv.Itoa(oomScore)), 0)
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ESRCH) {
		log.Debug("out-of-memory score not raised", "pid", pid, "error", err)
	}
}
