// Package pool owns all instances of this server: it gives each user theirs,
// made once however many ask at once, reuses it, checks it, replaces it when
// it is dead, hibernates it when it is idle, and finds it again after a
// restart. It also gives the places for Claude processes: as many as the
// settings and the memory allow, fairly by user.
//
// One mutex guards every slot and every instance; it is never held across a
// call to a runtime, a supervisor or a hook. What takes long is a job: one
// goroutine, at most one per user, that the pool owns and waits for, so that a
// caller who gives up stops waiting and nothing else.
package pool

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pressure"
	"github.com/carrel-dev/carrel/internal/quota"
	"github.com/carrel-dev/carrel/internal/runtime"
)

// Owners says whose an instance is. A user who is not there is a not_found.
type Owners interface {
	Owner(ctx context.Context, userID int64) (Owner, error)
}

// Owner is what the pool needs to know of a user.
type Owner struct {
	ID       int64
	Name     string // the login name inside; an instance keeps the one it was made with
	Language string
	Active   bool
	Quota    quota.Quota
}

// Options are what a pool is made of. Zero values of times mean the default.
type Options struct {
	Runtime runtime.Runtime
	Owners  Owners
	Log     *slog.Logger
	// Version is the build of this server. An instance of an earlier server, whose supervisor is of another, is made
	// anew when nothing is at work in it. Empty: none is.
	Version string
	// Records keeps hibernated instances over a restart; nil: they are forgotten.
	Records Records
	// Memory measures what there is for more processes; nil: nothing does, and
	// the bounds below are all there are.
	Memory func() (pressure.Reading, error)
	// MemoryShare is the part of all memory that may be in use before idle
	// processes are given up; 0.85.
	MemoryShare float64
	// IdleTimeout hibernates an instance in which nothing runs and which nobody
	// touched for so long. 0: never.
	IdleTimeout time.Duration
	// SessionIdleTimeout ends the Claude process of a session that has been
	// ready and unused for so long. 0: never.
	SessionIdleTimeout time.Duration
	// MaxInstances bounds the instances of this server. 0: no bound.
	MaxInstances int
	// MaxLiveSessions is how many Claude processes there may be. Beyond it the
	// longest unused ready ones are ended, and where none is ready, prompts wait
	// in line. 0: no bound.
	MaxLiveSessions int
	// MaxWaiting is how many sessions of one user may wait in line. 0: no bound.
	MaxWaiting int
	// AnswerTimeout is how long a process that waits for its person keeps its
	// place while others wait for one. 0: for ever.
	AnswerTimeout time.Duration
	// BackgroundTimeout is how long a process in which nothing runs but tasks in
	// the background keeps its place while others wait for one. 0: for ever.
	BackgroundTimeout time.Duration
	// WarmEvery is the pause between two instances that are started ahead; 500 ms.
	WarmEvery       time.Duration
	HealthInterval  time.Duration // between two checks of one instance; 15 s
	CheckTimeout    time.Duration // a check that takes longer has failed; 5 s
	CreateTimeout   time.Duration // a first start may have to make a volume; 90 s
	DestroyTimeout  time.Duration // 20 s
	AdoptTimeout    time.Duration // for all that Start finds, together; 10 s
	ShutdownTimeout time.Duration // for all that Shutdown ends, together; 12 s, of the 15 s that Ctrl-C may take
	Now             func() time.Time
}

// Times that need no setting.
const (
	failureThreshold = 3               // checks in a row before an instance counts as dead
	retryInterval    = 2 * time.Second // between checks while they fail
	idleAfter        = time.Minute     // unused for so long is shown as idle
	usageTTL         = 2 * time.Second // a measurement is shared for so long
	measureTimeout   = 2 * time.Second // what a hanging instance may cost a look
	startAttempts    = 3
	greetTimeout     = 20 * time.Second // a machine under load starts slowly
	graceTimeout     = 3 * time.Second  // for a supervisor to flush and exit by itself
	quickDeath       = time.Minute      // an instance that lived less is replaced with a growing delay
	maxDelay         = time.Minute      // the longest such delay
	longDelay        = 2 * time.Second  // a Get does not sit through a longer one
	minSweep         = time.Second      // bounds of the pause between two sweeps
	maxSweep         = 30 * time.Second //
	startPatience    = 10 * time.Second // what a call waits for Start
	replaceAttempts  = 5                // then the next Get tries again
)

// Pool owns all instances. Make it with New, then Start.
type Pool struct {
	o Options

	life   context.Context // of everything the pool runs; ended by Stop
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // jobs, the sweep, measurements, listeners

	closing chan struct{} // holds one: a Stop or a Shutdown
	adopted chan struct{} // closed when Start knows what is there

	mu        sync.Mutex
	slots     map[int64]*slot // guarded by mu, as is all that they hold
	listeners map[*listener]struct{}
	stopping  bool
	started   bool
	startErr  error         // of the last Start that failed
	changed   chan struct{} // closed, and made anew, when an instance has become usable

	// Places for Claude processes; see places.go. Guarded by mu, but for the channel.
	line       line
	crowded    bool // somebody waits, and nobody is idle
	arriving   map[arrival]int
	memory     memory
	figures    figures
	arrangeNow chan struct{} // wakes arrangeLoop

	warm warm // who is to be started ahead; guarded by mu
}

// slot is the place of one user: the instance there is, or the job that makes
// or ends it, or both. A slot with neither is deleted.
type slot struct {
	userID int64
	inst   *Instance
	job    *job
}

// ErrStopping is why the pool's work is cancelled when the server ends.
var ErrStopping = errors.New("the pool is stopping")

// errEnded is why a creation is cancelled by a Destroy.
var errEnded = errors.New("the instance was ended while it was being made")

// New returns a pool that has nothing yet.
func New(o Options) *Pool {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.HealthInterval, 15*time.Second)
	def(&o.CheckTimeout, 5*time.Second)
	def(&o.CreateTimeout, 90*time.Second)
	def(&o.DestroyTimeout, 20*time.Second)
	def(&o.AdoptTimeout, 10*time.Second)
	def(&o.ShutdownTimeout, 12*time.Second)
	def(&o.WarmEvery, 500*time.Millisecond)
	if o.MemoryShare <= 0 {
		o.MemoryShare = 0.85
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Pool{o: o, slots: map[int64]*slot{}, listeners: map[*listener]struct{}{}, closing: make(chan struct{}, 1), adopted: make(chan struct{}), changed: make(chan struct{}),
		arriving: map[arrival]int{}, arrangeNow: make(chan struct{}, 1), warm: warm{wake: make(chan struct{}, 1)}, memory: memory{share: o.MemoryShare},
		figures: figures{evictions: map[string]int{}, replacements: map[string]int{}}}
	p.life, p.cancel = context.WithCancelCause(context.Background())
	return p
}

// Start adopts the instances that are there and begins to look after them. It
// fails only when the runtime cannot say what is there, and may then be called
// again. Until it succeeded nobody is given an instance: a user's own may be
// running, and with it a turn.
func (p *Pool) Start(ctx context.Context) error {
	err := p.adopt(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.startErr = err
	if err != nil || p.stopping || p.started {
		return err
	}
	p.started = true
	close(p.adopted)
	p.wg.Go(func() { p.sweepLoop(p.life) })
	p.wg.Go(func() { p.arrangeLoop(p.life) })
	p.wg.Go(func() { p.warmLoop(p.life) })
	return nil
}

// Known waits, for a moment, until Start knows what an earlier server left.
func (p *Pool) Known(ctx context.Context) error {
	select {
	case <-p.adopted:
		return nil
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	select {
	case <-p.adopted:
		return nil
	case <-p.life.Done():
		return errStoppingFault()
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.startErr != nil {
		return makeFault(p.startErr)
	}
	return &fault.Error{Code: fault.InstanceUnavailable, Detail: "The server is starting. Try again in a few seconds.", RetryAfter: 3 * time.Second, Err: ctx.Err()}
}

// Stop ends the pool and leaves the instances running, for the next server to
// adopt. It returns when nothing of the pool runs any more; twice is harmless.
func (p *Pool) Stop() {
	p.closing <- struct{}{}
	defer func() { <-p.closing }()
	p.stop()
}

func (p *Pool) stop() {
	p.mu.Lock()
	p.stopping = true
	p.mu.Unlock()
	p.cancel(ErrStopping)
	p.wg.Wait() // nothing puts an instance into a slot any more
	p.mu.Lock()
	var left []*Instance
	for _, s := range p.slots {
		if s.inst != nil {
			left = append(left, s.inst)
		}
	}
	p.mu.Unlock()
	for _, inst := range left {
		inst.release()
	}
}

// Shutdown ends the pool and every instance, in parallel, within
// ShutdownTimeout. The error names what is left.
func (p *Pool) Shutdown(ctx context.Context) error {
	p.closing <- struct{}{}
	defer func() { <-p.closing }()
	ctx, stop := context.WithTimeout(ctx, p.o.ShutdownTimeout)
	defer stop()
	var errs []error
	for ctx.Err() == nil {
		waits := p.endAll()
		if len(waits) == 0 {
			break
		}
		for _, j := range waits {
			if _, err := j.wait(ctx); err != nil && !errors.Is(err, ErrStopping) {
				errs = append(errs, err)
			}
		}
	}
	p.stop()
	return errors.Join(errs...)
}

// endAll begins the end of everything and gives the jobs to wait for. Once is
// not enough: a job that made an instance in this very moment leaves it.
func (p *Pool) endAll() []*job {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopping = true
	var waits []*job
	for _, s := range p.slots {
		switch {
		case s.job != nil:
			if s.job.makes {
				s.job.cancel(ErrStopping)
			}
			waits = append(waits, s.job)
		case s.inst != nil && !s.inst.abandoned && s.inst.status != StatusHibernated: // an abandoned one has been tried, and told of
			waits = append(waits, p.destroyLocked(s, "the server ends"))
		}
	}
	return waits
}

func (p *Pool) now() time.Time { return p.o.Now() }

// errStoppingFault is what a person reads while the server ends.
func errStoppingFault() error {
	return &fault.Error{Code: fault.InstanceUnavailable, Detail: "The server is being restarted. Try again in a few seconds.",
		RetryAfter: 3 * time.Second, Err: ErrStopping}
}

// backoff is the delay before try n (from 1), doubled each time, with jitter
// so that what failed together does not come back together.
func backoff(n int, first, most time.Duration) time.Duration {
	d := first
	for i := 1; i < n && d < most; i++ {
		d *= 2
	}
	d = min(d, most)
	return d/2 + rand.N(d/2+1)
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
