package runtime

import (
	"strconv"
	"strings"

	"github.com/carrel-dev/carrel/internal/fault"
)

// Missed is what SkippedFirst says, for people: the name, and why it is missing. Package words knows the reasons.
func (s Snapshot) Missed() fault.Text {
	name, err := strconv.QuotedPrefix(s.SkippedFirst)
	if err != nil {
		return fault.Quote(s.SkippedFirst)
	}
	why := strings.TrimPrefix(s.SkippedFirst[len(name):], ": ")
	if i := strings.LastIndex(why, ": "); i >= 0 {
		why = why[i+2:] // what the system says; what was tried says nothing to people
	}
	return fault.Say("%s: %s", name, fault.Quote(why))
}
