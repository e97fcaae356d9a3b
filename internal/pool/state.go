package pool

import (
	"fmt"
	"slices"
)

// statusGone is the state of an instance of which nothing is left. It is not
// shown: what is gone is a not_found.
const statusGone = "gone"

// moves is every allowed move. A hibernated instance does not move: one that
// is woken is a new Instance with the same id, from starting on.
var moves = map[string][]string{
	StatusStarting: {
		StatusActive,    // made, or adopted and it answered
		StatusUnhealthy, // adopted and it did not answer
		StatusStopping,  // ended while it was being made
		statusGone,      // could not be made
	},
	StatusActive:    {StatusIdle, StatusUnhealthy, StatusStopping},
	StatusIdle:      {StatusActive, StatusUnhealthy, StatusStopping},
	StatusUnhealthy: {StatusActive, StatusStopping}, // answers again; replaced or ended
	StatusStopping: {
		statusGone,
		StatusHibernated,
		StatusUnhealthy, // the runtime could not end it; tried again later
	},
	StatusHibernated: nil,
	statusGone:       nil,
}

func allowed(from, to string) bool { return slices.Contains(moves[from], to) }

// moveLocked changes the status and tells the listeners. A move that the
// table does not have is a bug and changes nothing.
func (p *Pool) moveLocked(inst *Instance, to string) error {
	if inst.status == to {
		return nil
	}
	if !allowed(inst.status, to) {
		err := fmt.Errorf("instance %s cannot go from %s to %s", inst.id, inst.status, to)
		p.o.Log.Error("illegal move", "instance", inst.id, "user", inst.userID, "from", inst.status, "to", to)
		return err
	}
	inst.status = to
	if to == StatusActive {
		p.broadcastLocked()
	}
	p.emitInstanceLocked(inst)
	return nil
}
