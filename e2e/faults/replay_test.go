package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// replay reads a session from its beginning, as a device that was never there does, and compares: what anybody saw is
// there still, with the same bytes under the same number, and nothing is there that the devices were not sent.
func (h *house) replay(d *desk) {
	h.t.Helper()
	d.mu.Lock()
	until := d.watched
	d.mu.Unlock()
	there := map[int64]bool{}
	for after := int64(0); after < until; {
		var page struct {
			Items []struct {
				Seq   int64           `json:"seq"`
				Event json.RawMessage `json:"event"`
			} `json:"items"`
		}
		carrel.Await(h.t, "a page of events", func() error {
			res, err := d.person.Try("GET", fmt.Sprintf("/sessions/%s/events?after=%d&limit=500", d.session, after), nil, &page)
			if err != nil || res.StatusCode != 200 {
				return fmt.Errorf("%w %s", err, res.Text)
			}
			return nil
		})
		if len(page.Items) == 0 {
			d.problem("a replay ends at event %d of %d", after, until)
			break
		}
		d.mu.Lock()
		for _, e := range page.Items {
			if e.Seq <= after {
				d.problems = append(d.problems, fmt.Sprintf("a replay has event %d after %d", e.Seq, after))
			}
			after = e.Seq
			there[e.Seq] = true
			h.figures.add(func(f *figures) { f.events++ })
			var compact bytes.Buffer
			if sum, ok := d.book[e.Seq]; ok && sum != hashOf(e.Event) && (json.Compact(&compact, e.Event) != nil || sum != hashOf(compact.Bytes())) {
				d.problems = append(d.problems, fmt.Sprintf("a replay has another event %d: %s", e.Seq, brief(e.Event)))
			}
		}
		d.mu.Unlock()
		page.Items = nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	lost := 0
	for seq := int64(1); seq <= until; seq++ {
		if _, seen := d.book[seq]; seen && !there[seq] && !d.mayGo(seq) {
			lost++
			d.problems = append(d.problems, fmt.Sprintf("event %d was sent, and a replay lacks it", seq))
		}
	}
	for _, v := range []*device{d.first, d.second} {
		v.mu.Lock()
		for _, seq := range v.gaps {
			if there[seq] {
				lost++
				d.problems = append(d.problems, fmt.Sprintf("%s was never sent event %d, which a replay has", v.name, seq))
			}
		}
		v.mu.Unlock()
	}
	h.figures.add(func(f *figures) { f.lost += lost })
}

// mayGo says whether an event may be dropped from the journal: a piece of an answer that is there whole.
func (d *desk) mayGo(seq int64) bool { return d.watch.pieces[seq] }

// sideEffects compares what the tools left in runs.txt with the prompts that ordered it.
func (h *house) sideEffects(d *desk, r round) {
	h.t.Helper()
	var text string
	carrel.Await(h.t, "runs.txt", func() error {
		res, err := d.person.Try("GET", "/files/content?path=projects/faults/runs.txt", nil, nil)
		switch {
		case err != nil:
			return err
		case res.StatusCode == 200:
			text = res.Text
		case res.StatusCode != 404: // nobody has written yet
			return fmt.Errorf("%s %s", res.Status, res.Text)
		}
		return nil
	})
	for _, p := range r.prompts[d.user] {
		n := strings.Count(text, p.marker+"\n")
		struck := r.kills(d.user)
		switch {
		case p.writes && n == 0 && !(r.fault == diskFull && struck):
			h.figures.add(func(f *figures) { f.lost++ })
			d.problem("the tool of prompt %s has not run", p.marker)
		case n > 1 && !struck: // a tool that ran when Claude was killed runs again: Claude cannot know
			d.doubled("the tool of prompt %s ran %d times", p.marker, n)
		case n > 1:
			h.figures.add(func(f *figures) { f.toolsAgain++ })
		}
	}
}
