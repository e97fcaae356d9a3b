package socket

import (
	"sync"

	"github.com/carrel-dev/carrel/internal/fault"
)

// Bounds of what a connection has asked for and is not done yet.
const (
	maxLanes    = 2000 // sessions that are being worked for at one time
	maxLaneJobs = 256  // messages that wait for one session
)

// lanes run the calls of a connection: those of one session in the order they
// came, those of different sessions side by side. The reader only adds, so it
// never waits for a slow call.
type lanes struct {
	wg *sync.WaitGroup // the connection's own; only its reader, which is part of it, adds

	mu   sync.Mutex
	jobs map[string][]func() // guarded by mu; a key that is there has a goroutine
}

// add appends a job to a session's lane. With too much under way it is refused.
func (l *lanes) add(session string, run func()) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting, running := l.jobs[session]
	if len(waiting) >= maxLaneJobs || !running && len(l.jobs) >= maxLanes {
		return fault.New(fault.RateLimited, "Too many messages wait to be dealt with. Wait for the answers to those before.")
	}
	l.jobs[session] = append(waiting, run)
	if !running {
		l.wg.Go(func() { l.work(session) })
	}
	return nil
}

// work runs a lane until it is empty.
func (l *lanes) work(session string) {
	for {
		l.mu.Lock()
		if len(l.jobs[session]) == 0 {
			delete(l.jobs, session)
			l.mu.Unlock()
			return
		}
		run := l.jobs[session][0]
		l.jobs[session][0] = nil
		l.jobs[session] = l.jobs[session][1:]
		l.mu.Unlock()
		run()
	}
}
