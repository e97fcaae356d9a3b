package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/runtime"
)

var instanceID = regexp.MustCompile(runtime.IDPattern)

// orders serves the handoff socket: the gateway's end of Handoff.
type orders struct {
	gateway  *gateway
	listener *peerListener
	wg       sync.WaitGroup

	mu     sync.Mutex
	conns  map[*net.UnixConn]struct{} // guarded by mu
	closed bool                       // guarded by mu
}

func (o *orders) start() {
	o.wg.Go(func() {
		for {
			c, err := o.listener.AcceptUnix()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				o.gateway.log.Error("accept a keeper", "error", err)
				time.Sleep(100 * time.Millisecond) // out of descriptors: not in a tight loop
				continue
			}
			o.mu.Lock()
			if o.closed {
				o.mu.Unlock()
				_ = c.Close()
				return
			}
			o.conns[c] = struct{}{}
			o.mu.Unlock()
			o.wg.Go(func() {
				if err := o.serve(c); err != nil && !errors.Is(err, net.ErrClosed) {
					o.gateway.log.Warn("the keeper's connection ended", "error", err)
				}
				o.mu.Lock()
				delete(o.conns, c)
				o.mu.Unlock()
				_ = c.Close()
			})
		}
	})
}

func (o *orders) stop() {
	_ = o.listener.Close()
	o.mu.Lock()
	o.closed = true
	for c := range o.conns {
		_ = c.Close()
	}
	o.mu.Unlock()
	o.wg.Wait()
}

// serve answers one keeper's orders, each in its turn.
func (o *orders) serve(c *net.UnixConn) error {
	in := orderReader{conn: c}
	defer in.drop()
	for {
		line, files, err := in.next()
		if err != nil || line == nil {
			return err
		}
		d := done{OK: true}
		if err := o.obey(line, files); err != nil {
			d = done{Error: err.Error()}
			o.gateway.log.Warn("order refused", "error", err)
		}
		b, err := json.Marshal(d)
		if err != nil {
			return fmt.Errorf("encode answer: %w", err)
		}
		_ = c.SetWriteDeadline(time.Now().Add(orderTimeout))
		if _, err := c.Write(append(b, '\n')); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
}

// obey carries one order out. It owns the files.
func (o *orders) obey(line []byte, files []*os.File) error {
	defer closeAll(files)
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	var ord order
	if err := d.Decode(&ord); err != nil {
		return errors.New("the order is not one JSON object of the known fields")
	}
	want := 0
	if ord.Op == "add" {
		want = 2
	}
	switch {
	case len(files) != want:
		return fmt.Errorf("%q came with %d descriptors, not %d", ord.Op, len(files), want)
	case ord.Op != "sync" && !instanceID.MatchString(ord.InstanceID):
		return errors.New("instance_id is not an instance's id")
	}
	switch ord.Op {
	case "sync":
		o.gateway.instances.keep(ord.InstanceIDs)
		return nil
	case "remove":
		o.gateway.instances.remove(ord.InstanceID)
		return nil
	case "add":
		if ord.UserID <= 0 {
			return errors.New("user_id must be positive")
		}
		messages, err := listenerOf(files[0])
		if err != nil {
			return fmt.Errorf("gateway socket: %w", err)
		}
		out, err := listenerOf(files[1])
		if err != nil {
			return errors.Join(fmt.Errorf("egress socket: %w", err), messages.Close())
		}
		return o.gateway.instances.add(ord.InstanceID, ord.UserID, messages, out)
	}
	return fmt.Errorf("unknown order %q", ord.Op)
}

// listenerOf makes a listener of a descriptor, after seeing that it is one.
func listenerOf(f *os.File) (net.Listener, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		for _, want := range []struct{ option, value int }{
			{unix.SO_DOMAIN, unix.AF_UNIX}, {unix.SO_TYPE, unix.SOCK_STREAM}, {unix.SO_ACCEPTCONN, 1},
		} {
			got, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, want.option)
			if err != nil || got != want.value {
				inner = errors.New("the descriptor is not a listening unix socket")
				return
			}
		}
	})
	if err := errors.Join(err, inner); err != nil {
		return nil, err
	}
	return net.FileListener(f) // a copy; closing it leaves the keeper's alone
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// orderReader takes lines and descriptors off a connection.
type orderReader struct {
	conn  *net.UnixConn
	buf   []byte
	files []*os.File // arrived and not yet given
}

// next gives a line with the descriptors that came with it; nil at the end.
func (r *orderReader) next() ([]byte, []*os.File, error) {
	chunk := make([]byte, 16<<10)
	for {
		if i := bytes.IndexByte(r.buf, '\n'); i >= 0 {
			line, files := bytes.Clone(r.buf[:i]), r.files
			r.buf, r.files = append(r.buf[:0], r.buf[i+1:]...), nil
			return line, files, nil
		}
		if len(r.buf) > maxOrderBytes {
			return nil, nil, errors.New("an order is too long")
		}
		deadline := time.Time{} // a keeper with nothing to say may be silent
		if len(r.buf) > 0 {
			deadline = time.Now().Add(orderTimeout)
		}
		if err := r.conn.SetReadDeadline(deadline); err != nil {
			return nil, nil, err
		}
		control := make([]byte, unix.CmsgSpace(8*4))
		n, nc, flags, _, err := r.conn.ReadMsgUnix(chunk, control)
		if err != nil || n == 0 && nc == 0 {
			return nil, nil, ignoreEnd(err)
		}
		if err := r.takeFiles(control[:nc]); err != nil {
			return nil, nil, err
		}
		if flags&unix.MSG_CTRUNC != 0 || len(r.files) > 2 {
			return nil, nil, errors.New("an order came with too many descriptors")
		}
		r.buf = append(r.buf, chunk[:n]...)
	}
}

func (r *orderReader) takeFiles(control []byte) error {
	if len(control) == 0 {
		return nil
	}
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return fmt.Errorf("read descriptors: %w", err)
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue // another kind of message
		}
		for _, fd := range fds {
			r.files = append(r.files, os.NewFile(uintptr(fd), "handed in"))
		}
	}
	return nil
}

func (r *orderReader) drop() { closeAll(r.files) }

// ignoreEnd: a keeper that closes the connection has not failed.
func ignoreEnd(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) {
		return nil
	}
	return err
}
