package api

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/history"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// fakeHistory names in the figures whose they are.
type fakeHistory struct{}

func (fakeHistory) Server(span string) history.Figures { return figuresOf("server " + span) }
func (fakeHistory) User(id int64, span string) history.Figures {
	return figuresOf(fmt.Sprintf("user %d %s", id, span))
}

func (fakeHistory) Recent(names ...string) history.Recent {
	return history.Recent{Items: []history.UserRecent{{UserID: 7, Series: figuresOf(strings.Join(names, " ")).Series}}}
}

func figuresOf(name string) history.Figures {
	v := 0.5
	return history.Figures{StepSeconds: 15, From: time.Unix(0, 0).UTC(), Series: map[string][]*float64{name: {nil, &v}}}
}

func TestHistoryIsOfWhoIsAskedFor(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct{ as, path, name string }{
		{"rita", "/server/history", "server 1h"},
		{"rita", fmt.Sprintf("/instances/%d/history?range=7d", r.users["ana"].ID), fmt.Sprintf("user %d 7d", r.users["ana"].ID)},
		{"bob", "/instance/history?range=12h", fmt.Sprintf("user %d 12h", r.users["bob"].ID)},
	} {
		p := r.do(call{method: "GET", path: c.path, as: c.as})
		got := decodeTo[history.Figures](t, p).Series[c.name]
		if len(got) != 2 || got[0] != nil || got[1] == nil || *got[1] != 0.5 {
			t.Errorf("%s: got %s; want [null,0.5] of %q", c.path, p.body, c.name)
		}
	}
}

func TestRecentFiguresAreProcessorAndMemory(t *testing.T) {
	r := newRig(t)
	got := decodeTo[history.Recent](t, r.do(call{method: "GET", path: "/instances/history", as: "rita"}))
	if len(got.Items) != 1 || got.Items[0].UserID != 7 || got.Items[0].Series["cpu memory_bytes"] == nil {
		t.Errorf("got %+v; want cpu and memory_bytes of user 7", got)
	}
}

func TestServerTellsWhatIsWrong(t *testing.T) {
	r := newRig(t, func(d *Deps) {
		d.Started = time.Now().Add(-time.Hour)
		d.Ready = func(context.Context) []runtime.Finding {
			return []runtime.Finding{{Name: "store", State: "ok"}, {Name: "gateway", State: "fail", Detail: "It does not answer.", Remedy: "carrel serve"}}
		}
	})
	ana := r.users["ana"].ID
	r.instances.stats[ana] = pool.Stats{UserID: ana, Status: pool.StatusActive, Health: pool.Health{Status: "degraded", Detail: "The volume is full."}, Processes: []protocol.Process{{Kind: "claude"}}}
	p := r.do(call{method: "GET", path: "/server", as: "rita"})
	h := decodeTo[ServerHealth](t, p)
	if p.status != 200 || h.Status != "unavailable" || h.Version != "1.2.3" || h.UptimeSeconds < 3600 {
		t.Errorf("got %d %s; want an answer that says the server is unavailable", p.status, p.body)
	}
	if len(h.Checks) != 2 || h.Checks[1].Detail != "It does not answer." || h.Checks[1].Remedy != "carrel serve" {
		t.Errorf("got checks %+v; want the gateway's with its remedy", h.Checks)
	}
	if len(h.Troubled) != 1 || h.Troubled[0] != (Troubled{ana, "degraded", "The volume is full."}) {
		t.Errorf("got %+v; want ana's instance with its reason", h.Troubled)
	}
	if h.Counts.Instances["active"] != 1 || h.Counts.Processes["claude"] != 1 {
		t.Errorf("got counts %+v; want one instance and one Claude process", h.Counts)
	}
}
