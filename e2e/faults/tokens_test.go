package faults

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestEveryTokenOnce is the case that was measured with other front ends: an answer of 300 tokens is being streamed
// when the server is killed, or when the client is off the network for two seconds. All 300 come, once each.
func TestEveryTokenOnce(t *testing.T) {
	const tokens = 300
	for name, strike := range map[string]func(*house, *desk){
		"server killed":  func(h *house, _ *desk) { h.server.Signal(syscall.SIGKILL); h.server.Serve() },
		"server stopped": func(h *house, _ *desk) { h.server.Signal(syscall.SIGTERM); h.server.Serve() },
		"client dropped": func(_ *house, d *desk) { d.first.drop(2*time.Second, false); d.second.drop(2*time.Second, true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, 1)
			h.sitDown("an answer of 300 tokens")
			d := h.desks[0]
			marker := strings.ReplaceAll(name, " ", "")
			d.say(plannedPrompt{marker: marker, orders: fmt.Sprintf("[pace 15ms] [say %d] [bash date]", tokens), route: bySocket})
			half := d.await(answerWithin, func(w *watch) string {
				if len(w.tokens) < tokens/3 {
					return fmt.Sprintf("token %d of %d", len(w.tokens), tokens/3)
				}
				return ""
			})
			if half != "" {
				t.Fatalf("%s\n%s", half, d.story())
			}
			strike(h, d)
			// The next block of the turn is the tool's: until then all that was streamed stands.
			var got []string
			whole := d.await(answerWithin, func(w *watch) string {
				got = slices.Clone(w.longest)
				return w.settled([]string{marker})
			})
			if whole != "" {
				t.Errorf("still missing: %s", whole)
			}
			if len(got) != tokens {
				t.Errorf("%d tokens came; want %d", len(got), tokens)
			}
			if said := d.longest(); strings.Join(got, "") != said {
				t.Errorf("streamed %q\nof %q", strings.Join(got, ""), said)
			}
			h.standUp()
			t.Logf("%d tokens of %d, %d connections; %s", len(got), tokens, d.first.connections(), h.figures)
		})
	}
}

// longest is the longest finished text of an answer.
func (d *desk) longest() (text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.watch.texts {
		if len(t) > len(text) {
			text = t
		}
	}
	return text
}
