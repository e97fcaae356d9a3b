package pool

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/runtime"
)

// adopt finds what an earlier server left, all at once and within one bound.
// What answers is taken over, what is proved dead is ended, and what merely
// does not answer is kept: the checks decide on it later.
func (p *Pool) adopt(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.o.AdoptTimeout)
	defer cancel()
	handles, err := p.o.Runtime.List(ctx)
	if err != nil {
		return fmt.Errorf("list the instances of %s: %w", p.o.Runtime.Name(), err)
	}
	byUser := map[int64][]runtime.Handle{}
	for _, h := range handles {
		byUser[h.Spec.UserID] = append(byUser[h.Spec.UserID], h)
	}
	var wg sync.WaitGroup
	for userID, hs := range byUser {
		wg.Go(func() { p.adoptUser(ctx, userID, hs) })
	}
	wg.Wait()
	p.recall(ctx)
	return nil
}

// found is an instance that an earlier server left.
type found struct {
	inst    *Instance
	pingErr error
	dead    bool
}

// adoptUser decides on what was found of one user. More than one means that a
// server died in the middle of a replacement: the best of them stays.
func (p *Pool) adoptUser(ctx context.Context, userID int64, handles []runtime.Handle) {
	log := p.o.Log.With("user", userID)
	owner, ownerErr := p.o.Owners.Owner(ctx, userID)
	all := make([]found, len(handles))
	var wg sync.WaitGroup
	for i, h := range handles {
		wg.Go(func() { all[i] = p.examine(ctx, h) })
	}
	wg.Wait()

	barred := errors.Is(ownerErr, fault.NotFoundError) || ownerErr == nil && (!owner.Active || owner.Quota.Instances < 1)
	var keep *found
	for i := range all {
		f := &all[i]
		if !barred && !f.dead && (keep == nil || keep.pingErr != nil && f.pingErr == nil) {
			keep = f
		}
	}
	for i := range all {
		if f := &all[i]; f != keep {
			log.Info("ending an instance of an earlier server", "instance", f.inst.id, "dead", f.dead, "user_barred", barred)
			wg.Go(func() { p.discard(ctx, f.inst) })
		}
	}
	wg.Wait()
	if keep == nil || !p.takeOver(keep.inst, keep.pingErr) {
		return
	}
	if keep.pingErr != nil {
		log.Warn("an instance does not answer; it is kept and checked", "instance", keep.inst.id, "error", keep.pingErr)
		return
	}
	await(ctx, keep.inst.synced) // so that the statistics are right from the start
	log.Info("adopted an instance", "instance", keep.inst.id)
	if ownerErr != nil { // the store has a bad moment, which ends nobody's work
		log.Warn("who owns an instance", "error", ownerErr)
		return
	}
	if err := p.SetQuota(ctx, userID, owner.Quota); err != nil {
		log.Warn("apply the quota to an adopted instance", "error", err)
	}
}

// examine finds out whether an instance answers, and if not, whether it is dead.
func (p *Pool) examine(ctx context.Context, h runtime.Handle) found {
	inst := p.newInstance(h.Spec.UserID, h.Spec.ID)
	inst.adopted = true
	inst.name, inst.language, inst.workspace = h.Spec.Name, h.Spec.Language, h.Workspace
	inst.createdAt, inst.startedAt, inst.lastActivity = h.CreatedAt, h.CreatedAt, h.CreatedAt
	l := h.Spec.Limits
	inst.quota.Instances, inst.quota.LiveSessions = 1, h.Spec.LiveSessions
	inst.quota.CPU, inst.quota.MemoryBytes, inst.quota.PIDs, inst.quota.StorageBytes, inst.quota.Inodes = l.CPU, l.MemoryBytes, l.PIDs, l.StorageBytes, l.Inodes
	f := found{inst: inst, pingErr: p.ping(ctx, inst)}
	if f.pingErr != nil {
		_, f.dead = p.dead(ctx, inst)
	}
	return f
}

// takeOver puts a found instance into its user's slot.
func (p *Pool) takeOver(inst *Instance, pingErr error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping || p.slots[inst.userID] != nil { // a Get that came before the end of Start has made one
		return false
	}
	p.slots[inst.userID] = &slot{userID: inst.userID, inst: inst}
	inst.idleFrom = p.now()
	to := StatusActive
	if pingErr != nil {
		to = StatusUnhealthy
		inst.health = Health{Status: unhealthy, ConsecutiveFailures: 1, LastCheckAt: p.now().UTC(), Detail: p.explain(pingErr), Replacements: []Replacement{}}
	}
	_ = p.moveLocked(inst, to) // both allowed from starting
	p.attendLocked(inst)
	return true
}

// discard ends a found instance that is not taken over.
func (p *Pool) discard(ctx context.Context, inst *Instance) {
	inst.client.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.o.DestroyTimeout)
	defer cancel()
	if err := p.o.Runtime.Destroy(ctx, inst.id); err != nil && !errors.Is(err, fault.NotFoundError) {
		p.o.Log.Error("end an instance of an earlier server", "instance", inst.id, "user", inst.userID, "error", err)
	}
}
