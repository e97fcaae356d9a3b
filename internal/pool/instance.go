package pool

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/carrel-dev/carrel/internal/quota"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/supervisor/client"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Instance is one user's running sandbox. It is good until the pool replaces
// or ends it: ask the pool again for every new piece of work.
type Instance struct {
	pool   *Pool
	id     string
	userID int64
	client *client.Client

	// The watch and the checks, from attend to release.
	cancel context.CancelFunc
	wg     sync.WaitGroup
	synced chan struct{} // closed when the first Watch has told everything

	resizing chan struct{} // holds one: the caller that applies new limits
	talkNow  chan struct{} // holds one: there is something to say about places

	// All below is guarded by Pool.mu.
	name         string
	language     string
	workspace    string
	createdAt    time.Time
	startedAt    time.Time // createdAt, or when it was last woken
	woken        bool      // it was hibernated before
	rests        bool      // its end is a hibernation
	uses         int       // what goes on in it that is no process
	ahead        bool      // started before its person came
	lastActivity time.Time
	idleFrom     time.Time // not idle before: a server that just started gives people time to come back
	status       string
	health       Health
	quota        quota.Quota
	processes    []protocol.Process
	sessions     map[string]*watched
	usage        runtime.Usage
	oomAt        time.Time // when a process was last found to be ended for lack of memory
	measuredAt   time.Time
	measuring    chan struct{} // closed when the measurement under way is done; nil: none
	version      string        // of its supervisor, as it last told
	adopted      bool          // an earlier server has made it
	generation   int           // replacements in a row that brought it here, 0 for one that a person asked for
	abandoned    bool          // the runtime could not end it; the sweep tries again
	dealt                      // places; see places.go
}

// watched is a session as its supervisor last told it.
type watched struct {
	protocol.Session
	since     time.Time // of the last change that this server saw
	used      bool      // its process has had a turn, as far as this server knows
	closing   bool      // an end of its idle process is under way
	taken     bool      // and the supervisor knows
	why       string    // it is ended
	asked     string    // why, in the request under way: what that causes may be known before its answer
	suspend   bool      // though it waits for its person
	busyUntil time.Time // it was not idle when it was to be ended
}

func (p *Pool) newInstance(userID int64, id string) *Instance {
	now := p.now()
	inst := &Instance{
		pool: p, id: id, userID: userID,
		synced:    make(chan struct{}),
		resizing:  make(chan struct{}, 1),
		status:    StatusStarting,
		createdAt: now, startedAt: now, lastActivity: now,
		talkNow:   make(chan struct{}, 1),
		dealt:     dealt{giving: map[string]bool{}},
		health:    Health{Status: healthy, LastCheckAt: now, Replacements: []Replacement{}},
		processes: []protocol.Process{},
		sessions:  map[string]*watched{},
	}
	inst.client = client.New(p.dialer(id))
	return inst
}

// ID is the instance's own; a replacement has another.
func (i *Instance) ID() string { return i.id }

// UserID is whose it is.
func (i *Instance) UserID() int64 { return i.userID }

// Client speaks with its supervisor.
func (i *Instance) Client() *client.Client { return i.client }

// Touch says that a person uses it now.
func (i *Instance) Touch() {
	i.pool.mu.Lock()
	defer i.pool.mu.Unlock()
	i.pool.touchLocked(i, i.pool.now())
}

// Use says that something goes on in it, as a download does, that no process shows: it stays until the release, which
// must come once. What is asked for is done all the same.
func (i *Instance) Use() (release func()) {
	i.pool.mu.Lock()
	defer i.pool.mu.Unlock()
	i.uses++
	i.pool.touchLocked(i, i.pool.now())
	return func() {
		i.pool.mu.Lock()
		defer i.pool.mu.Unlock()
		i.uses--
		i.pool.touchLocked(i, i.pool.now())
	}
}

// Stats is what is known without asking anybody. Pool.Look measures.
func (i *Instance) Stats() Stats {
	i.pool.mu.Lock()
	defer i.pool.mu.Unlock()
	return i.statsLocked()
}

// Sessions is every session that its supervisor told of, by id.
func (i *Instance) Sessions() []protocol.Session {
	i.pool.mu.Lock()
	defer i.pool.mu.Unlock()
	out := make([]protocol.Session, 0, len(i.sessions))
	for _, w := range i.sessions {
		out = append(out, w.Session)
	}
	slices.SortFunc(out, func(a, b protocol.Session) int { return compare(a.ID, b.ID) })
	return out
}

// Session is one of Sessions.
func (i *Instance) Session(id string) (protocol.Session, bool) {
	i.pool.mu.Lock()
	defer i.pool.mu.Unlock()
	w, ok := i.sessions[id]
	if !ok {
		return protocol.Session{}, false
	}
	return w.Session, true
}

func (i *Instance) statsLocked() Stats {
	return Stats{
		ID:              i.id,
		UserID:          i.userID,
		Status:          i.status,
		Runtime:         i.pool.o.Runtime.Name(),
		Workspace:       i.workspace,
		CreatedAt:       i.createdAt.UTC().Truncate(time.Microsecond), // as the store keeps it
		LastActivityAt:  i.lastActivity.UTC(),
		ActiveProcesses: len(i.processes),
		Processes:       append([]protocol.Process{}, i.processes...),
		Health:          i.health,
		Usage:           i.usage,
		Quota:           i.quota,
		Ahead:           i.ahead && !i.woken,
	}
}

// usableLocked says whether it can be given to somebody.
func (i *Instance) usableLocked() bool {
	return i.status == StatusActive || i.status == StatusIdle
}

// touchLocked moves the last activity forward, never back.
func (p *Pool) touchLocked(inst *Instance, at time.Time) {
	if at.After(inst.lastActivity) {
		inst.lastActivity = at
	}
	if inst.status == StatusIdle {
		_ = p.moveLocked(inst, StatusActive) // always allowed from idle
	}
}

// limits is what of a quota a runtime enforces.
func limits(q quota.Quota) runtime.Limits {
	return runtime.Limits{CPU: q.CPU, MemoryBytes: q.MemoryBytes, PIDs: q.PIDs, StorageBytes: q.StorageBytes, Inodes: q.Inodes}
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
