package files

import (
	"context"
	"sync"
	"time"
)

// uploads lets one request at a time be at an upload. Who comes later is the client that lost its connection and came
// again: whoever was there is told to stop.
type uploads struct {
	mu  sync.Mutex
	now map[string]*uploading
}

type uploading struct {
	stop  func()
	ended chan struct{}
}

// stopAgain is how often one who does not stop is told so.
const stopAgain = 50 * time.Millisecond

// take waits until the upload is free. stop is called, perhaps more than once, when somebody else wants it.
func (u *uploads) take(ctx context.Context, id string, stop func()) (release func(), err error) {
	for {
		u.mu.Lock()
		other := u.now[id]
		if other == nil {
			mine := &uploading{stop: stop, ended: make(chan struct{})}
			if u.now == nil {
				u.now = map[string]*uploading{}
			}
			u.now[id] = mine
			u.mu.Unlock()
			return func() {
				u.mu.Lock()
				defer u.mu.Unlock()
				delete(u.now, id)
				close(mine.ended)
			}, nil
		}
		u.mu.Unlock()
		other.stop()
		select {
		case <-other.ended:
		case <-time.After(stopAgain):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
