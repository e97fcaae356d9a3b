package sessions

import (
	"time"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
)

// takeUpWithin is how long a process may leave a prompt lying. The CLI says within milliseconds that it has one; a
// machine under load took seconds.
const takeUpWithin = 90 * time.Second

// A third of that is how long a process may be silent in a turn before it is asked for a sign of life, and then how
// long until it is asked again. One that gives none so often hangs. However long a tool runs or the model thinks, the
// CLI answers meanwhile: within 50 ms wherever it was tried, in 3 s when it had just been started on a busy machine.
const maxUnanswered = 3

// heardLocked takes note that the process has said something, or was told something new.
func (r *run) heardLocked() { r.heard, r.unanswered = time.Now(), 0 }

// hangs says whether the process is beyond hope. It is asked at regular intervals; others are told.
//
// Questions that were not answered are counted, not time: a machine or an instance that was frozen itself comes to one.
func (r *run) hangs() bool {
	s := r.session
	s.mu.Lock()
	defer s.mu.Unlock()
	silent := time.Since(r.heard)
	switch within := s.ss.takeUpWithin; {
	case !r.greeted || r.ending != "":
		return false
	case s.ledger.turn && r.unanswered >= maxUnanswered:
		s.ss.opt.Log.Warn("claude hangs in a turn, ending it", "session", s.id, "silent", silent)
		s.complainLocked(fault.Internal, "Claude has stopped answering in the middle of its work, for %d seconds, and is ended.", int(silent.Seconds()))
		return true
	case s.ledger.turn && silent >= within/3:
		r.unanswered++
		r.stdin.put(claude.Probe(r.nextID())) // any word of it is an answer
		return false
	case s.ledger.turn || !s.ledger.atWork() || silent < within:
		return false
	}
	s.ss.opt.Log.Warn("claude takes up no prompt, ending it", "session", s.id)
	s.complainLocked(fault.Internal, "Claude did not take up a prompt within %d seconds and is ended.", int(s.ss.takeUpWithin.Seconds()))
	return true
}
