package socket

import (
	"context"
	"sync"

	"github.com/carrel-dev/carrel/internal/api/allowance"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Bounds of what waits to be written on one connection.
const (
	maxQueued      = 2048
	maxQueuedBytes = 1 << 20 // the journal has the rest
)

// frame is one message to be written: an event, or what is encoded already.
type frame struct {
	data  []byte
	event *protocol.Event
	of    *subscription // of an event, so that a new subscription can take back what was not sent
}

func (f frame) size() int {
	if f.event != nil {
		return len(f.event.Event)
	}
	return len(f.data)
}

// encoded is for the writer: an event that waits for many connections is in memory once.
func (f frame) encoded() []byte {
	if f.event != nil {
		return encodeEvent(f.of.quoted, f.event)
	}
	return f.data
}

// outbox is the queue before a connection's one writer, which runs only while
// there is something to write: most connections are quiet most of the time.
type outbox struct {
	held  *allowance.Allowance // the user's, for what waits on all of their connections
	start func()               // starts the writer, which takes until it is told to end; it must not wait

	mu      sync.Mutex
	queue   []frame       // guarded by mu
	bytes   int           // guarded by mu
	room    chan struct{} // guarded by mu; closed and replaced when something was taken, nil when nobody waits
	writing bool          // guarded by mu; the writer runs
	closed  bool          // guarded by mu
	written chan struct{} // closed once the outbox is closed and no writer runs
}

func newOutbox(held *allowance.Allowance, start func()) *outbox {
	return &outbox{held: held, start: start, written: make(chan struct{})}
}

// put waits for room, in the queue and in what the user may hold, and queues a frame. The error is ctx's.
func (o *outbox) put(ctx context.Context, f frame) error {
	for {
		if err := o.await(ctx, f); err != nil {
			return err
		}
		if err := o.held.Wait(ctx, f.size()); err != nil {
			return err
		}
		o.mu.Lock()
		if o.fitsLocked(f) {
			o.addLocked(f)
			o.mu.Unlock()
			return nil
		}
		o.mu.Unlock()
		o.held.Give(f.size())
	}
}

// await waits for room in the queue.
func (o *outbox) await(ctx context.Context, f frame) error {
	for {
		o.mu.Lock()
		if o.fitsLocked(f) {
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
	return len(o.queue) == 0 || len(o.queue) < maxQueued && o.bytes+f.size() <= maxQueuedBytes
}

func (o *outbox) addLocked(f frame) {
	o.queue = append(o.queue, f)
	o.bytes += f.size()
	switch {
	case o.writing:
	case o.closed:
		o.dropLocked()
	default:
		o.writing = true
		o.start()
	}
}

// dropLocked lets go of what nobody will write any more.
func (o *outbox) dropLocked() {
	o.held.Give(o.bytes)
	o.queue, o.bytes = nil, 0
}

// take is the writer's: the next frame, or that it has to end, since there is none or ctx has ended. sent is to follow.
func (o *outbox) take(ctx context.Context) (frame, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if ctx.Err() != nil || len(o.queue) == 0 {
		o.stoppedLocked()
		return frame{}, false
	}
	f := o.queue[0]
	o.queue[0] = frame{}
	o.queue = o.queue[1:]
	o.bytes -= f.size()
	o.wakeLocked()
	return f, true
}

// sent lets go of a frame that was taken.
func (o *outbox) sent(f frame) { o.held.Give(f.size()) }

// stopped is the writer's last word when take did not end it.
func (o *outbox) stopped() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stoppedLocked()
}

func (o *outbox) stoppedLocked() {
	o.writing = false
	o.dropLocked()
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

// withdraw takes a subscription's events out of the queue.
func (o *outbox) withdraw(of *subscription) {
	o.mu.Lock()
	defer o.mu.Unlock()
	kept := o.queue[:0]
	for _, f := range o.queue {
		if f.of == of {
			o.bytes -= f.size()
			o.held.Give(f.size())
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
