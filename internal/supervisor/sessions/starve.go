package sessions

import (
	"context"
	"time"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/process"
)

// starvePauses are the pauses between tries to start Claude in an instance that has no process left: five minutes in
// all, in which builds and tests come to their end.
var starvePauses = []time.Duration{
	2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second, time.Minute, time.Minute, 2 * time.Minute,
}

// errNoProcess means that the instance is at its limit of processes.
var errNoProcess = fault.New(fault.QuotaExceeded, "Claude could not be started: your instance is at its limit of processes. End some that you do not need, for instance in a terminal, or restart the instance.")

// starves says whether Claude lacked processes when it ended, by its own word or by what is left. The CLI needs a dozen
// threads, and aborts mutely, or with a report of a bug, where one cannot be had.
func (ss *Sessions) starves(said string) bool {
	if claude.NoThread(said) {
		return true
	}
	most := ss.pids.Load()
	return most > 0 && int64(process.Tasks())+claude.Threads > most
}

// starveLocked decides after a try to start Claude for which there was no process. What is to be done waits in line, and
// is tried again later and later; the person is told at the first try and at the last.
func (s *session) starveLocked() (reason string) {
	switch {
	case !s.atWorkLocked():
		s.complainLocked(errNoProcess.Code, "%s", errNoProcess.Said())
		return reasonNotStarted
	case s.starved >= len(s.ss.starvePauses):
		s.starved = 0
		s.complainLocked(fault.QuotaExceeded, "Claude still could not be started: your instance is at its limit of processes. What you sent is kept, and is not tried again by itself any more. End processes or restart the instance, then send another prompt or open the session again.")
		return reasonNotStarted
	case s.starved == 0:
		s.complainLocked(fault.QuotaExceeded, "Claude could not be started: your instance is at its limit of processes. End some that you do not need, for instance in a terminal, or restart the instance. It is tried again by itself for some minutes.")
	}
	s.starved++
	return reasonNoProcess
}

// pauseLocked is how long a session that had no process waits before the next try.
func (s *session) pauseLocked() time.Duration {
	if s.starved == 0 {
		return 0
	}
	return s.ss.starvePauses[s.starved-1]
}

// rest waits for a time.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
