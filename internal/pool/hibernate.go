package pool

import (
	"context"
	"errors"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// A hibernated instance has no process, no memory and no sandbox: what is left
// is the user's volume, and a record that the instance is theirs. It keeps its
// id, and comes back with it.

// Record is what is kept of a hibernated instance.
type Record struct {
	UserID         int64
	ID             string
	Name           string
	Language       string
	Workspace      string
	CreatedAt      time.Time
	LastActivityAt time.Time
	StorageBytes   int64
	Inodes         int64
}

// Records keeps the records over a restart.
type Records interface {
	Hibernated(ctx context.Context) ([]Record, error)
	Keep(ctx context.Context, r Record) error
	// Forget removes a user's record, if there is one.
	Forget(ctx context.Context, userID int64) error
}

// hibernateLocked begins the end of what is in the slot, of which a hibernated
// instance is left.
func (p *Pool) hibernateLocked(s *slot, why string) *job {
	p.figures.evictions["instance_"+why]++
	s.inst.rests = true
	j := p.destroyLocked(s, why)
	j.rests = true
	return j
}

// restLocked makes an ended instance a hibernated one.
func (p *Pool) restLocked(inst *Instance) {
	inst.sessions = map[string]*watched{} // their names and states are in the store
	inst.usage = runtime.Usage{StorageBytes: inst.usage.StorageBytes, Inodes: inst.usage.Inodes}
	inst.health = Health{Status: healthy, LastCheckAt: p.now().UTC(), Replacements: inst.health.Replacements}
	inst.generation = 0
	_ = p.moveLocked(inst, StatusHibernated) // allowed from stopping
}

// wakeLocked begins to make a hibernated instance anew.
func (p *Pool) wakeLocked(s *slot) *job {
	old := s.inst
	inst := p.successorLocked(old)
	return p.beginLocked(s, true, func(ctx context.Context, _ *job) (*Instance, error) { return p.wake(ctx, s, old, inst) })
}

// successorLocked is a hibernated instance as it will be when it is awake.
func (p *Pool) successorLocked(old *Instance) *Instance {
	inst := p.newInstance(old.userID, old.id)
	inst.woken, inst.createdAt, inst.workspace = true, old.createdAt, old.workspace
	inst.health.Replacements = old.health.Replacements
	return inst
}

// wake makes a hibernated instance anew, as another Instance with its id. When that is cut short because it is to
// end, nothing is left of either.
func (p *Pool) wake(ctx context.Context, s *slot, old, inst *Instance) (*Instance, error) {
	made, err := p.make(ctx, s, inst)
	if !errors.Is(err, errEnded) {
		return made, err
	}
	p.unrecord(ctx, s.userID)
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.inst == old { // it was cut short before it had begun
		s.inst = nil
		p.emitGoneLocked(old)
	}
	return nil, err
}

func (p *Pool) asleep(inst *Instance) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return inst.status == StatusHibernated
}

// remember writes down an instance that is about to rest. A record that cannot
// be written is only missed after a restart: there is no instance then.
func (p *Pool) remember(ctx context.Context, inst *Instance) {
	p.mu.Lock()
	r := Record{UserID: inst.userID, ID: inst.id, Name: inst.name, Language: inst.language, Workspace: inst.workspace,
		CreatedAt: inst.createdAt, LastActivityAt: inst.lastActivity, StorageBytes: inst.usage.StorageBytes, Inodes: inst.usage.Inodes}
	p.mu.Unlock()
	if p.o.Records == nil {
		return
	}
	if err := p.o.Records.Keep(ctx, r); err != nil {
		p.o.Log.Error("keep the record of a hibernated instance", "instance", inst.id, "user", inst.userID, "error", err)
	}
}

// unrecord removes a user's record. It is kept while its instance is awake, so
// that the next server knows since when there is one.
func (p *Pool) unrecord(ctx context.Context, userID int64) {
	if p.o.Records == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.o.DestroyTimeout)
	defer cancel()
	if err := p.o.Records.Forget(ctx, userID); err != nil {
		p.o.Log.Error("forget a hibernated instance", "user", userID, "error", err)
	}
}

// forget removes a hibernated instance.
func (p *Pool) forget(ctx context.Context, s *slot, inst *Instance) error {
	if p.o.Records != nil {
		if err := p.o.Records.Forget(ctx, inst.userID); err != nil {
			return fault.Wrap(err, fault.InstanceUnavailable, "The instance could not be removed. Try again in a moment.")
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.inst == inst {
		s.inst = nil
	}
	p.emitGoneLocked(inst)
	return nil
}

// recall puts the hibernated instances of an earlier server into their slots.
// Where there is another, or a user who may have none, the record is out of date.
func (p *Pool) recall(ctx context.Context) {
	if p.o.Records == nil {
		return
	}
	records, err := p.o.Records.Hibernated(ctx)
	if err != nil {
		p.o.Log.Error("recall hibernated instances", "error", err)
		return
	}
	for _, r := range records {
		owner, err := p.o.Owners.Owner(ctx, r.UserID)
		if err == nil && owner.Active && owner.Quota.Instances > 0 && p.recallOne(r, owner) {
			continue
		}
		if err == nil || errors.Is(err, fault.NotFoundError) {
			p.unrecord(ctx, r.UserID)
		}
	}
}

func (p *Pool) recallOne(r Record, owner Owner) bool {
	inst := p.newInstance(r.UserID, r.ID)
	inst.client.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return true // the next one sees to it
	}
	if s := p.slots[r.UserID]; s != nil {
		if s.inst == nil || s.inst.id != r.ID {
			return false
		}
		s.inst.woken, s.inst.createdAt = true, r.CreatedAt // and is awake
		return true
	}
	inst.name, inst.language, inst.workspace, inst.quota = r.Name, r.Language, r.Workspace, owner.Quota
	inst.createdAt, inst.lastActivity = r.CreatedAt, r.LastActivityAt
	inst.usage.StorageBytes, inst.usage.Inodes = r.StorageBytes, r.Inodes
	inst.processes = []protocol.Process{}
	inst.status = StatusHibernated // it begins as one
	p.slots[r.UserID] = &slot{userID: r.UserID, inst: inst}
	p.emitInstanceLocked(inst)
	return true
}
