package scriptedmodel

import (
	"fmt"
	"net/http"
	"time"
)

// fault finds the fault of a kind that strikes this attempt.
func (p *player) fault(kind faultKind) (fault, bool) {
	for _, f := range p.reply.faults {
		if f.kind == kind && (f.times == 0 || p.attempt <= f.times) {
			return f, true
		}
	}
	return fault{}, false
}

// drop forgets the faults of these kinds.
func (p *player) drop(kinds ...faultKind) {
	var left []fault
	for _, f := range p.reply.faults {
		keep := true
		for _, k := range kinds {
			keep = keep && f.kind != k
		}
		if keep {
			left = append(left, f)
		}
	}
	p.reply.faults = left
}

// fail answers with an error's status instead of a message.
func (p *player) fail(w http.ResponseWriter, f fault) {
	if f.retryAfter != "" {
		w.Header().Set("retry-after", f.retryAfter)
	}
	if f.noRetry {
		w.Header().Set("x-should-retry", "false")
	}
	status := f.status
	if status < 400 || status > 599 {
		status = http.StatusInternalServerError
	}
	writeError(w, status, fmt.Sprintf("The scripted model was ordered to fail with %d.", status))
}

// strike lets a fault happen once its tokens are out, or at the end of the
// answer if it is shorter than that.
func (p *player) strike(end bool) error {
	due := func(f fault) bool { return p.tokens >= f.after || end }
	if f, ok := p.fault(faultStall); ok && due(f) {
		p.drop(faultStall)
		if err := p.out.flush(); err != nil {
			return err
		}
		if err := p.sleep(f.silence); err != nil {
			return err
		}
	}
	if f, ok := p.fault(faultDrop); ok && due(f) {
		if err := p.out.flush(); err != nil {
			return err
		}
		return fmt.Errorf("dropped after %d tokens, as ordered", p.tokens)
	}
	if f, ok := p.fault(faultEvent); ok && due(f) {
		if err := p.begin(); err != nil {
			return err
		}
		if err := p.out.send(event{Type: "error", Error: &apiError{"overloaded_error", "Overloaded"}}); err != nil {
			return err
		}
		if err := p.out.flush(); err != nil {
			return err
		}
		return errEnded
	}
	return nil
}

// wait holds until Release. A stream that has begun gets pings meanwhile, so
// that the silence is nobody's timeout.
func (p *player) wait(key string) error {
	gate, ok := p.model.record.gate(key)
	if !ok {
		return fmt.Errorf("more than %d keys to wait for", maxGates)
	}
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		select {
		case <-gate:
			return nil
		case <-ping.C:
			if p.out.started() {
				if err := p.out.send(event{Type: "ping"}); err != nil {
					return err
				}
				if err := p.out.flush(); err != nil {
					return err
				}
			}
		case <-p.ctx.Done():
			return p.ctx.Err()
		case <-p.model.done:
			return ErrClosed
		}
	}
}

// sleep is silence: for a time, or for ever when that is 0.
func (p *player) sleep(d time.Duration) error {
	var after <-chan time.Time // nil: for ever
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		after = timer.C
	}
	select {
	case <-after:
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	case <-p.model.done:
		return ErrClosed
	}
}

// check ends an answer that nobody waits for any more.
func (p *player) check() error {
	select {
	case <-p.ctx.Done():
		return p.ctx.Err()
	case <-p.model.done:
		return ErrClosed
	default:
		return nil
	}
}
