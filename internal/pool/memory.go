package pool

import (
	"fmt"
	"math"
	"time"

	"github.com/carrel-dev/carrel/internal/pressure"
)

// What the memory's readings mean. A reading is two seconds old at most, so what is started between two of them is
// counted by processMemory; what processes really take is in the next reading.
const (
	processMemory = 128 << 20        // of a Claude process that has just started; about 90 MB are its own, measured
	pressedSome   = 10.0             // percent of 10 s in which somebody waited for memory: tight
	easedSome     = 2.0              // not tight any more
	easedRoom     = 1.25             // nor with so many times the reserve available
	easedFor      = 10 * time.Second // for so long
)

// memory is how much there is for more processes; guarded by Pool.mu. The zero value has no bound: nothing measures.
type memory struct {
	share    float64 // of all memory, for all there is on the machine
	reading  pressure.Reading
	measured bool
	err      error
	fits     int       // how many more processes, by the last reading and what was started since
	tight    bool      // idle processes are given up
	most     int       // while it is tight: processes there may be; 0: no bound
	since    time.Time // of the tightness
	easy     time.Time // since when readings are good again
}

// feel measures the memory, and gives idle processes up while it is tight.
func (p *Pool) feel() {
	if p.o.Memory == nil {
		return
	}
	r, err := p.o.Memory()
	p.mu.Lock()
	defer p.mu.Unlock()
	m := &p.memory
	if err != nil {
		if m.err == nil {
			p.o.Log.Error("measure memory", "error", err)
		}
		m.err, m.measured, m.tight, m.most = err, false, false, 0
		return
	}
	m.err = nil
	before := m.tight
	m.take(r, p.now())
	if m.tight != before {
		p.o.Log.Warn("memory", "tight", m.tight, "available", r.Available, "total", r.Total, "waited_percent", r.Some)
	}
	if !m.tight {
		return
	}
	held, going := p.standLocked()
	if m.most == 0 || held < m.most && p.line.len() == 0 {
		m.most = max(held, 1) // no growth
	}
	// One at a time: the next reading tells whether it was enough.
	if going == 0 && p.endIdleLocked("memory", true) {
		m.most = max(held-1, 1)
	} else if going == 0 {
		p.endAheadLocked()
	}
}

// take judges a reading.
func (m *memory) take(r pressure.Reading, now time.Time) {
	m.reading, m.measured = r, true
	reserve := int64((1 - m.share) * float64(r.Total))
	m.fits = int(max(0, r.Available-reserve) / processMemory)
	pressed := r.Available < reserve || r.Some >= pressedSome
	eased := float64(r.Available) >= easedRoom*float64(reserve) && r.Some <= easedSome
	switch {
	case pressed && !m.tight:
		m.tight, m.since, m.easy = true, now, time.Time{}
	case !m.tight:
	case !eased:
		m.easy = time.Time{}
	case m.easy.IsZero():
		m.easy = now
	case now.Sub(m.easy) >= easedFor:
		m.tight, m.most = false, 0
	}
}

// room is how many more processes there may be beside those that are held.
func (m *memory) room(held int) int {
	if !m.measured {
		return math.MaxInt
	}
	room := m.fits
	if m.most > 0 {
		// One for one: what ends makes room for who waits, and for no more.
		return max(m.most-held, 0)
	}
	return room
}

// started counts a process that the last reading does not know.
func (m *memory) started() {
	if m.measured {
		m.fits = max(m.fits-1, 0)
	}
}

// ended counts those that are gone since.
func (m *memory) ended(n int) {
	if m.measured && n > 0 {
		m.fits += n
	}
}

// detail says in words for an administrator how the memory stands.
func (m *memory) detail() (detail string, ok bool) {
	gib := func(n int64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }
	switch {
	case m.err != nil:
		return "The memory cannot be measured: processes are bounded by the settings alone.", false
	case !m.measured:
		return "The memory has not been measured yet.", true
	}
	detail = fmt.Sprintf("%s of %s are available.", gib(m.reading.Available), gib(m.reading.Total))
	if !m.reading.PSI {
		detail += " This kernel does not tell how long programs wait for memory (PSI): what is available decides alone."
	}
	if m.tight {
		return detail + " Memory is short: idle processes are ended, and no more are started than end.", false
	}
	return detail, true
}
