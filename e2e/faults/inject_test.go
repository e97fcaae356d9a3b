package faults

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// inject strikes, and mends what it struck.
func (h *house) inject(r round) {
	h.t.Helper()
	d := h.desks[r.victim]
	supervisor := 0
	if r.fault == supervisorKilled || r.fault == supervisorFrozen || r.also == supervisorKilled {
		supervisor = h.supervisor(d) // asked of a server that is there
	}
	meanwhile := func() { h.also(r, d, supervisor) }
	switch r.fault {
	case serverKilled, serverStopped:
		sig := map[string]syscall.Signal{serverKilled: syscall.SIGKILL, serverStopped: syscall.SIGTERM}[r.fault]
		h.server.Signal(sig)
		meanwhile()
		h.server.Serve()
	case serverFrozen:
		h.freeze(h.server.Pid(), meanwhile)
	case supervisorKilled:
		h.kill(supervisor)
		meanwhile()
	case supervisorFrozen:
		h.freeze(supervisor, meanwhile)
	case claudeKilled:
		h.killClaude(d)
		meanwhile()
	case clientDropped:
		d.first.drop(r.outage, false) // its numbers are what everything is counted by
		d.second.drop(r.outage/2, r.forget)
	case clientStalled:
		d.first.stall(r.outage)
		d.second.stall(2 * r.outage)
	case gatewayKilled:
		h.kill(h.role("gateway"))
	case modelCut:
		h.model.CloseClientConnections()
	case modelErrs: // the prompts see to it
	case keeperKilled:
		h.kill(h.role("keeper"))
		meanwhile()
		h.server.Signal(syscall.SIGTERM)
		h.server.Serve()
	case diskFull:
		h.fill(d)
		meanwhile()
		h.free(d)
	}
}

// also lets the fault last, and strikes a second time in the middle of it. It does not lie in wait for a moment: what is
// struck is to be that long away.
func (h *house) also(r round, d *desk, supervisor int) {
	h.t.Helper()
	pause(context.Background(), r.outage/2)
	switch r.also {
	case claudeKilled:
		if r.fault == claudeKilled { // while it takes the turn up
			d.await(5*time.Second, func(w *watch) string {
				if w.message == "" || w.state != "running" {
					return "the next answer"
				}
				return ""
			})
		}
		h.killClaude(d)
	case supervisorKilled:
		h.kill(supervisor)
	case gatewayKilled:
		if pid, err := h.server.Role("gateway"); err == nil { // none while no keeper has it started again
			h.kill(pid)
		}
	case modelCut:
		h.model.CloseClientConnections()
	}
	pause(context.Background(), r.outage/2)
}

func (h *house) killClaude(d *desk) {
	for _, pid := range carrel.Claudes(d.session) {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone, or not be there yet
	}
}

func (h *house) kill(pid int) {
	h.t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		h.t.Errorf("kill %d: %v", pid, err)
	}
}

// freeze stops a process and lets it go on: to it, the clock jumps ahead.
func (h *house) freeze(pid int, meanwhile func()) {
	h.t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		h.t.Errorf("stop %d: %v", pid, err)
	}
	meanwhile()
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		h.t.Errorf("continue %d: %v", pid, err)
	}
}

func (h *house) role(name string) (pid int) {
	h.t.Helper()
	carrel.Await(h.t, "the "+name, func() (err error) { pid, err = h.server.Role(name); return err })
	return pid
}

func (h *house) supervisor(d *desk) (pid int) {
	h.t.Helper()
	carrel.Await(h.t, "a supervisor", func() error {
		var i struct {
			ID string `json:"id"`
		}
		if res, err := d.person.Try("GET", "/instance", nil, &i); err != nil || res.StatusCode != 200 {
			return fmt.Errorf("%w %s", err, res.Text)
		}
		pids := carrel.Supervisors(i.ID)
		if len(pids) != 1 {
			return fmt.Errorf("supervisors of %s: %v", i.ID, pids)
		}
		pid = pids[0]
		return nil
	})
	return pid
}

// fill writes until nothing goes into the user's volume any more.
func (h *house) fill(d *desk) {
	h.command(d, `cd ~/temp && fallocate -l $(( $(df --output=avail -B1 . | tail -1) )) fill; cat /dev/zero > more; df --output=avail . | tail -1`)
}

func (h *house) free(d *desk) { h.command(d, `cd ~/temp && rm -f fill more`) }

func (h *house) command(d *desk, script string) {
	h.t.Helper()
	carrel.Await(h.t, "a command", func() error {
		res, err := d.person.Try("POST", "/commands", map[string]any{"argv": []string{"/bin/sh", "-c", script}, "timeout_s": 20}, nil)
		if err != nil || res.StatusCode != 200 {
			return fmt.Errorf("%w %s", err, res.Text)
		}
		return nil
	})
}

// processes are checked when nothing is at work: a session has one process at most.
func (h *house) processes(d *desk) {
	deadline := time.Now().Add(10 * time.Second)
	for {
		pids := carrel.Claudes(d.session)
		if len(pids) <= 1 {
			return
		}
		if time.Now().After(deadline) {
			d.problem("session %s is held by processes %v", d.session, pids)
			return
		}
		pause(context.Background(), 50*time.Millisecond)
	}
}
