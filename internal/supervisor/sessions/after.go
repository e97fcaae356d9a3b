package sessions

import (
	"errors"

	"github.com/google/uuid"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/process"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// maxStarts bounds how often Claude is started again for the same work. A turn that ends its process every time must
// not do so for ever.
const maxStarts = 2

// afterLocked decides what follows the end of a process: another one, or, with the reason, none.
func (s *session) afterLocked(r *run) (reason string) {
	exit, said := r.proc.Exit(), r.stderr.String()
	log := s.ss.opt.Log.With("session", s.id, "code", exit.Code, "stderr", said)
	switch {
	case r.problem != nil:
		log.Warn("claude was ended", "why", r.problem)
		s.complainLocked(fault.Internal, "%s It was ended.", *r.problem)
		return reasonFailed
	case r.ending != "":
		return r.ending
	case s.ss.stopping.Load():
		return reasonStopped
	case !r.greeted:
		return s.afterStartLocked(r, exit, said)
	case !s.atWorkLocked():
		log.Info("claude ended while idle")
		return reasonExited
	case s.starts >= maxStarts:
		log.Warn("claude ended at work once too often")
		s.complainLocked(fault.Internal, "Claude ended %d times while it worked (%s). What it worked on was given up; send it again to try once more.", s.starts+1, s.ss.howEnded(exit, said))
		return reasonFailed
	}
	log.Warn("claude ended at work")
	s.complainLocked(fault.Internal, "Claude ended while it worked (%s). It is started again and goes on.", s.ss.howEnded(exit, said))
	return s.againLocked()
}

// afterStartLocked decides after a process that ended before it was greeted.
func (s *session) afterStartLocked(r *run, exit process.Exit, said string) (reason string) {
	switch {
	case claude.Taken(said) && !s.meta.Ran && !s.guessed:
		// It has a conversation that we did not know of: one from before us, or of a lost session.json.
		s.guessed, s.meta.Ran = true, true
		return s.againLocked()
	case claude.Unknown(said) && s.meta.Ran && !s.guessed:
		// Its transcript was removed.
		s.guessed, s.meta.Ran, s.meta.ForkOf = true, false, ""
		return s.againLocked()
	case (claude.Taken(said) || claude.Unknown(said) && s.meta.Ran) && s.guessed && s.starts < maxStarts:
		// It can neither go on with what is on disk nor begin in its place, as when the disk was full in the first
		// turn. Whatever that is, it stays; the conversation begins anew under another id.
		s.ss.opt.Log.Warn("claude cannot read its conversation", "session", s.id, "conversation", s.meta.conversation(s.id))
		s.meta.moved(s.id, uuid.NewString())
		s.guessed, s.meta.Ran, s.held = false, false, protocol.HeldResponse{}
		s.saveLocked()
		if len(s.meta.Usage) > 0 { // it has answered before
			s.complainLocked(fault.Internal, "Claude cannot read what was said in this session before, and begins anew. The file with it is left as it is.")
		}
		return s.againLocked()
	case claude.Unknown(said) && s.meta.ForkOf != "" && !s.meta.Ran:
		s.complainLocked(fault.NotFound, "The conversation to copy was not found. It may have been deleted, or nothing was said in it yet.")
		return reasonNotStarted
	case s.ss.starves(said):
		s.ss.opt.Log.Warn("no process to start claude with", "session", s.id, "code", exit.Code, "stderr", said)
		return s.starveLocked()
	case exit.Signal != 0 && s.starts < maxStarts && s.atWorkLocked():
		return s.againLocked()
	}
	s.ss.opt.Log.Warn("claude did not start", "session", s.id, "code", exit.Code, "stderr", said)
	s.complainLocked(fault.Internal, "Claude could not be started (%s).", s.ss.howEnded(exit, said))
	return reasonNotStarted
}

// atWorkLocked says whether there is something for another process to do. What the conversation on disk holds may be a
// turn that was cut short.
func (s *session) atWorkLocked() bool {
	return s.ledger.busy() || s.ledger.cut || len(s.held.UUIDs) > 0
}

// againLocked starts the next process in the place of the last.
func (s *session) againLocked() (reason string) {
	if !s.guessed {
		s.starts++
	}
	if s.ledger.state != protocol.StateStarting || len(s.held.UUIDs) > 0 {
		_ = s.enterLocked(protocol.StateStarting, "") // it says itself when the disk is full
	}
	if err := s.startLocked(); errors.Is(err, errNoProcess) {
		return s.starveLocked()
	} else if err != nil {
		var f *fault.Error
		if !errors.As(err, &f) {
			f = fault.Wrap(err, fault.Internal, "Claude could not be started again.")
		}
		s.ss.opt.Log.Error("start claude again", "session", s.id, "error", err)
		s.complainLocked(f.Code, "%s", f.Said())
		return reasonNotStarted
	}
	return ""
}

// howEnded tells an exit in words, with the end of what was on stderr. What a CLI says that had no thread is of no use
// to people.
func (ss *Sessions) howEnded(exit process.Exit, said string) fault.Text {
	if ss.starves(said) {
		return fault.Say("your instance is at its limit of processes")
	}
	how := fault.Say("exit code %d", exit.Code)
	if exit.Signal != 0 {
		how = fault.Say("signal %d, %s", int(exit.Signal), exit.Signal)
	}
	if said != "" {
		how = fault.Say("%s: %s", how, said)
	}
	return how
}
