package api

import (
	"sync"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
)

// What strangers may add to the audit record in a minute, for it lasts: a few wrong
// passwords an address, one entry more that says the rest was slowed down, and
// no more than a bit of all addresses together.
const (
	refusalsOfAddress = 5
	refusalsOfAll     = 30
)

// refusals decides which refused sign-ins are worth an entry, and counts the rest.
type refusals struct {
	mu      sync.Mutex
	minute  time.Time
	entries map[string]int // guarded by mu; of this minute, by address and code
	all     int            // guarded by mu; the sum of entries
	left    int            // guarded by mu; refusals without an entry since the last one with
}

// take tells whether a refusal gets an entry, and how many did not since the last that got one.
func (f *refusals) take(now time.Time, address string, code fault.Code) (left int, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if minute := now.Truncate(time.Minute); !minute.Equal(f.minute) {
		f.minute, f.entries, f.all = minute, map[string]int{}, 0
	}
	most := refusalsOfAddress
	if code == fault.RateLimited {
		most = 1
	}
	key := string(code) + " " + address
	if f.all >= refusalsOfAll || f.entries[key] >= most {
		f.left++
		return 0, false
	}
	f.entries[key]++
	f.all++
	left, f.left = f.left, 0
	return left, true
}
