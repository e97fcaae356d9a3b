package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// device is one of a user's devices on one session. It reconnects by itself and says the last number it has seen, as
// the page does.
type device struct {
	name   string
	person *carrel.Person
	desk   *desk
	wg     sync.WaitGroup
	stop   context.CancelFunc

	mu       sync.Mutex
	conn     *websocket.Conn // nil while it is away
	born     int             // connections so far
	last     int64           // seen on this subscription
	gaps     []int64         // numbers that never came; a replay must lack them too
	awayTill time.Time
	deafTill time.Time
	seen     int // events, of all connections
	closings []string
}

func newDevice(d *desk, name string) *device {
	life, stop := context.WithCancel(context.Background())
	v := &device{name: name, person: d.person, desk: d, stop: stop}
	v.wg.Go(func() { v.run(life) })
	return v
}

func (v *device) close() {
	v.stop()
	v.wg.Wait()
}

// run connects again and again until the device is closed.
func (v *device) run(life context.Context) {
	for life.Err() == nil {
		v.mu.Lock()
		away := time.Until(v.awayTill)
		v.mu.Unlock()
		pause(life, max(away, 50*time.Millisecond))
		ctx, cancel := context.WithTimeout(life, 10*time.Second)
		conn, err := v.person.TryConnect(ctx, "/ws")
		cancel()
		if err != nil {
			continue
		}
		v.mu.Lock()
		v.conn = conn
		v.born++
		after := v.last
		v.mu.Unlock()
		v.send(map[string]any{"type": "subscribe", "session_id": v.desk.session, "after": after})
		err = v.read(life, conn)
		_ = conn.CloseNow() // it is broken, or we leave
		v.mu.Lock()
		v.conn = nil
		v.closings = append(v.closings, err.Error())
		v.mu.Unlock()
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// send writes one message, if the device is connected. What is lost with a connection is sent again by the desk.
func (v *device) send(m map[string]any) bool {
	v.mu.Lock()
	conn := v.conn
	v.mu.Unlock()
	if conn == nil {
		return false
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // ours
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return conn.Write(ctx, websocket.MessageText, b) == nil
}

func (v *device) read(life context.Context, conn *websocket.Conn) error {
	for {
		v.mu.Lock()
		deaf := time.Until(v.deafTill)
		v.mu.Unlock()
		if deaf > 0 {
			pause(life, deaf)
		}
		_, b, err := conn.Read(life)
		if err != nil {
			return err
		}
		var m carrel.Message
		if err := json.Unmarshal(b, &m); err != nil {
			v.desk.problem("%s was sent what is not JSON: %.200s", v.name, b)
			return err
		}
		v.take(m)
	}
}

func (v *device) take(m carrel.Message) {
	switch m.Type {
	case "event":
		if m.SessionID != v.desk.session {
			v.desk.problem("%s was sent an event of session %s", v.name, m.SessionID)
			return
		}
		v.mu.Lock()
		last := v.last
		if m.Seq > last {
			for n := last + 1; n < m.Seq; n++ {
				v.gaps = append(v.gaps, n)
			}
			v.last = m.Seq
		}
		v.seen++
		v.mu.Unlock()
		if m.Seq <= last {
			v.desk.doubled("%s was sent event %d after %d", v.name, m.Seq, last)
			return
		}
		v.desk.event(v, m.Seq, m.Event)
	case "ack":
		v.desk.acked(m.ID)
	case "error":
		v.desk.refused(v, m)
	}
}

// drop breaks the connection and stays away for a while. One that forgets comes back as a page that was loaded anew.
func (v *device) drop(away time.Duration, forget bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.awayTill = time.Now().Add(away)
	if forget {
		v.last, v.gaps = 0, nil
	}
	if v.conn != nil {
		_ = v.conn.CloseNow() // that is what is wanted
	}
}

// stall reads nothing for a while.
func (v *device) stall(d time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.deafTill = time.Now().Add(d)
}

func (v *device) connections() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.born
}

// back is an error while the device is away: a drop of this round must not be seen in the next.
func (v *device) back() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.conn == nil || time.Now().Before(v.awayTill) {
		return fmt.Errorf("%s is away; endings %q", v.name, v.closings)
	}
	return nil
}

func (v *device) String() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return fmt.Sprintf("%s: %d connections, at %d, connected %v, endings %q", v.name, v.born, v.last, v.conn != nil, v.closings[max(0, len(v.closings)-3):])
}

var hashSeed = maphash.MakeSeed()

func hashOf(b []byte) uint64 { return maphash.Bytes(hashSeed, b) }
