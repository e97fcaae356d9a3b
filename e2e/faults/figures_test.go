package faults

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/carrel-dev/carrel/internal/scriptedmodel"
)

// figures are what the test counts.
type figures struct {
	mu         sync.Mutex
	rounds     int
	byFault    map[string]int
	prompts    int
	again      int // sent again, by a device that had no answer or by the other one
	events     int // that were compared
	lost       int
	doubled    int
	mangled    int
	saidAgain  int            // answers that a killed Claude was saying and said again
	toolsAgain int            // tools that a killed Claude had run and ran again
	runs       map[string]int // whole last answers of the model, by prompt
}

func newFigures() *figures { return &figures{byFault: map[string]int{}, runs: map[string]int{}} }

func (f *figures) add(change func(*figures)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

var markers = regexp.MustCompile(`done:(\w+);`)

// answered counts the model's last answers of turns.
func (f *figures) answered(r scriptedmodel.Request) {
	if r.Kind != scriptedmodel.Turn || r.AgentID != "" || r.Stop != "end_turn" {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range markers.FindAllStringSubmatch(r.Prompt, -1) {
		f.runs[m[1]]++
	}
}

// ran names those that the model has not answered to their end once.
func (f *figures) ran(prompts []string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var wrong []string
	for _, m := range prompts {
		if n := f.runs[m]; n != 1 {
			wrong = append(wrong, fmt.Sprintf("%s ran %d times", m, n))
		}
	}
	return strings.Join(wrong, ", ")
}

func (f *figures) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var kinds []string
	for k, n := range f.byFault {
		kinds = append(kinds, fmt.Sprintf("%d %s", n, k))
	}
	slices.Sort(kinds)
	return fmt.Sprintf("%d rounds (%s), %d prompts, %d times sent again, %d events checked, %d lost, %d doubled, %d mangled; after a kill %d answers were said again and %d tools ran again",
		f.rounds, strings.Join(kinds, ", "), f.prompts, f.again, f.events, f.lost, f.doubled, f.mangled, f.saidAgain, f.toolsAgain)
}
