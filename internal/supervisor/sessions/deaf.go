package sessions

import (
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
)

// takeUpWithin is how long a process may leave a prompt lying. The CLI says within milliseconds that it has one; a
// machine under load took seconds.
const takeUpWithin = 90 * time.Second

// heardLocked takes note that the process has said something, or was told something new.
func (r *run) heardLocked() { r.heard = time.Now() }

// deaf says whether the process has a prompt and neither begins it nor says anything: it hangs. Others are told.
func (r *run) deaf() bool {
	s := r.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.greeted || r.ending != "" || s.ledger.turn || !s.ledger.atWork() || time.Since(r.heard) < s.ss.takeUpWithin {
		return false
	}
	s.ss.opt.Log.Warn("claude takes up no prompt, ending it", "session", s.id)
	s.complainLocked(fault.Internal, "Claude did not take up a prompt within %d seconds and is ended.", int(s.ss.takeUpWithin.Seconds()))
	return true
}
