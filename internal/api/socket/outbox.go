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

// outbox is the queue before a connection's one writer, which runs only while
// there is something to write: most connections are quiet most of the time.
type outbox struct {
	start func() // starts the writer, which takes until it is told to end; it must not wait

	mu      sync.Mutex
	queue   []frame       // guarded by mu
	bytes   int           // guarded by mu
	room    chan struct{} // guarded by mu; closed and replaced when something was taken, nil when nobody waits
	writing bool          // guarded by mu; the writer runs
	closed  bool          // guarded by mu
	written chan struct{} // closed once the outbox is closed and no writer runs
}

func newOutbox(start func()) *outbox {
	return &outbox{start: start, written: make(chan struct{})}
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
		if o.room == nil {
			o.room = make(chan struct{})
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
	if !o.writing && !o.closed {
		o.writing = true
		o.start()
	}
}

// take is the writer's: the next frame, or that it has to end, since there is none or ctx has ended.
func (o *outbox) take(ctx context.Context) (frame, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if ctx.Err() != nil || len(o.queue) == 0 {
		if len(o.queue) == 0 {
			o.queue = nil // let go of the array
		}
		o.stoppedLocked()
		return frame{}, false
	}
	f := o.queue[0]
	o.queue[0] = frame{}
	o.queue = o.queue[1:]
	o.bytes -= len(f.data)
	o.wakeLocked()
	return f, true
}

// stopped is the writer's last word when take did not end it.
func (o *outbox) stopped() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stoppedLocked()
}

func (o *outbox) stoppedLocked() {
	o.writing = false
	if o.closed {
		close(o.written)
	}
}

// close lets no writer start any more, and gives what is closed when the last one has ended. It is called once.
func (o *outbox) close() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	if !o.writing {
		close(o.written)
	}
	return o.written
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
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
}
