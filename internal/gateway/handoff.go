package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// HandoffSocket is the name of the keeper's socket in the run folder.
const HandoffSocket = "handoff.sock"

// order is one line from the keeper. "add" comes with two descriptors: the
// listening sockets for messages and for egress, in this order.
type order struct {
	Op          string   `json:"op"` // "sync", "add", "remove"
	InstanceID  string   `json:"instance_id,omitempty"`
	UserID      int64    `json:"user_id,omitempty"`
	InstanceIDs []string `json:"instance_ids,omitempty"`
}

// done is the answer to an order.
type done struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

const (
	maxOrderBytes = 1 << 20 // a sync that names every instance of a large host
	orderTimeout  = 10 * time.Second
)

// Handoff is the keeper's end: it hands instances' listening sockets in. Begin
// with Sync, then Add everything there is. Its methods may be called from any
// goroutine. When Done is closed the gateway has gone: dial again.
type Handoff struct {
	conn *net.UnixConn

	asking  sync.Mutex // one order at a time
	answers chan done
	gone    chan struct{}
	wg      sync.WaitGroup
}

// DialHandoff connects to the gateway's handoff socket.
func DialHandoff(ctx context.Context, path string) (*Handoff, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("dial gateway: %w", err)
	}
	h := &Handoff{conn: c.(*net.UnixConn), answers: make(chan done, 1), gone: make(chan struct{})}
	h.wg.Go(h.read)
	return h, nil
}

// read gives answers on, and sees the gateway go.
func (h *Handoff) read() {
	defer close(h.gone)
	lines := bufio.NewScanner(h.conn)
	for lines.Scan() {
		var d done
		if json.Unmarshal(lines.Bytes(), &d) != nil {
			break
		}
		select {
		case h.answers <- d:
		default: // an answer too many
			return
		}
	}
}

// Done is closed when the gateway has gone or Close was called.
func (h *Handoff) Done() <-chan struct{} { return h.gone }

// Close lets go of the connection. What was added stays.
func (h *Handoff) Close() error {
	err := h.conn.Close()
	h.wg.Wait()
	return err
}

// Sync removes every instance that is not named.
func (h *Handoff) Sync(ctx context.Context, instanceIDs []string) error {
	return h.ask(ctx, order{Op: "sync", InstanceIDs: instanceIDs})
}

// Add hands an instance's listening sockets in, or new ones in the place of
// earlier. The files stay the caller's; one that is closed is an os.ErrClosed,
// and the connection is as good as before.
func (h *Handoff) Add(ctx context.Context, instanceID string, userID int64, gateway, egress *os.File) error {
	return h.ask(ctx, order{Op: "add", InstanceID: instanceID, UserID: userID}, gateway, egress)
}

// Remove ends what serves an instance. One that is not there is no error.
func (h *Handoff) Remove(ctx context.Context, instanceID string) error {
	return h.ask(ctx, order{Op: "remove", InstanceID: instanceID})
}

func (h *Handoff) ask(ctx context.Context, o order, files ...*os.File) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("hand off: %s %s: %w", o.Op, o.InstanceID, err)
		}
	}()
	line, err := json.Marshal(o)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	h.asking.Lock()
	defer h.asking.Unlock()
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(orderTimeout)
	}
	if err := h.send(line, deadline, files); err != nil {
		return err
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case d := <-h.answers:
		if !d.OK {
			return errors.New(d.Error)
		}
		return nil
	case <-h.gone:
		return errors.New("the gateway closed the connection")
	case <-ctx.Done():
		_ = h.conn.Close() // its answer must not be taken for that of the next order
		return ctx.Err()
	case <-timer.C:
		_ = h.conn.Close()
		return os.ErrDeadlineExceeded
	}
}

// send writes the line with the descriptors. They are borrowed through
// SyscallConn: File.Fd would make them blocking, for the keeper's copies too.
func (h *Handoff) send(line []byte, deadline time.Time, files []*os.File) error {
	if err := h.conn.SetWriteDeadline(deadline); err != nil {
		return err
	}
	var fds []int
	write := func() error {
		var rights []byte
		if len(fds) > 0 {
			rights = unix.UnixRights(fds...)
		}
		n, _, err := h.conn.WriteMsgUnix(line, rights, nil)
		if err == nil && n < len(line) {
			_, err = h.conn.Write(line[n:])
		}
		return err
	}
	for _, f := range slices.Backward(files) { // the last to wrap is the first to run
		inner := write
		raw, err := f.SyscallConn()
		if err != nil {
			return err
		}
		write = func() error {
			var err error
			if raw.Control(func(fd uintptr) { fds = append(fds, int(fd)); err = inner() }) != nil {
				return os.ErrClosed // it has no other reason, but says it in its own words
			}
			return err
		}
	}
	return write()
}
