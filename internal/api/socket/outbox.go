package socket

import (
	"context"
	"sync"
)

// Bounds of what waits to be written on one connection.
const (
	maxQueued      = 2048
	maxQueuedBytes = 8 << 20
)

// frame is one message to be written.
type frame struct {
	data    []byte
	session string // of an event, so that a new subscription can take back what was not sent; else ""
}

// outbox is the queue before a connection's one writer.
type outbox struct {
	mu    sync.Mutex
	queue []frame       // guarded by mu
	bytes int           // guarded by mu
	room  chan struct{} // guarded by mu; closed and replaced when something was taken
	ready chan struct{} // holds one token when the queue is not empty
}

func newOutbox() *outbox {
	return &outbox{room: make(chan struct{}), ready: make(chan struct{}, 1)}
}

// put waits for room and queues a frame. The error is ctx's.
func (o *outbox) put(ctx context.Context, f frame) error {
	for {
		o.mu.Lock()
		if o.fitsLocked(f) {
			o.addLocked(f)
			o.mu.Unlock()
			return nil
		}
		room := o.room
		o.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// fitsLocked lets a frame of any size into an empty queue.
func (o *outbox) fitsLocked(f frame) bool {
	return len(o.queue) == 0 || len(o.queue) < maxQueued && o.bytes+len(f.data) <= maxQueuedBytes
}

func (o *outbox) addLocked(f frame) {
	o.queue = append(o.queue, f)
	o.bytes += len(f.data)
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

// take waits for the next frame. The error is ctx's.
func (o *outbox) take(ctx context.Context) (frame, error) {
	for {
		if ctx.Err() != nil {
			return frame{}, context.Cause(ctx)
		}
		o.mu.Lock()
		if len(o.queue) > 0 {
			f := o.queue[0]
			o.queue[0] = frame{}
			o.queue = o.queue[1:]
			o.bytes -= len(f.data)
			o.wakeLocked()
			o.mu.Unlock()
			return f, nil
		}
		o.queue = nil // let go of the array
		o.mu.Unlock()
		select {
		case <-o.ready:
		case <-ctx.Done():
		}
	}
}

// withdraw takes a session's events out of the queue.
func (o *outbox) withdraw(session string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	kept := o.queue[:0]
	for _, f := range o.queue {
		if f.session == session {
			o.bytes -= len(f.data)
			continue
		}
		kept = append(kept, f)
	}
	clear(o.queue[len(kept):])
	o.queue = kept
	o.wakeLocked()
}

func (o *outbox) wakeLocked() {
	close(o.room)
	o.room = make(chan struct{})
}
