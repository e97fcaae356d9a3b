package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// start: from `carrel serve` on an empty folder to the first page, and from
// signing in, with nothing there yet, to the first piece of the first answer.
func start(ctx context.Context, b *bench) error {
	var page, ready, ended series
	for i := range b.set.n {
		c, err := b.startCarrel(ctx, fmt.Sprintf("start%d", i), b.usual())
		if err != nil {
			return err
		}
		took, err := c.serving(ctx, "/")
		page.add(took)
		if err == nil {
			took, err = c.serving(ctx, "/api/v1/readyz")
			ready.add(took)
		}
		if err := errors.Join(err, c.stop()); err != nil {
			return err
		}
		ended.add(c.ended)
	}
	if err := b.need(ctx); err != nil {
		return err
	}
	var answered, raw series
	for range b.set.n {
		var l ladder
		if err := b.rawLadder(ctx, &l, false); err != nil {
			return err
		}
		raw.values = append(raw.values, l.first.values...)
		took, err := b.signInToAnswer(ctx)
		if err != nil {
			return err
		}
		answered.add(took)
	}
	b.report.add("start", "carrel serve to first page", inSeconds, &page, "", nil)
	b.report.add("start", "carrel serve to ready for work", inSeconds, &ready, "", nil)
	b.report.add("start", "Ctrl-C to nothing left, no instance", inSeconds, &ended, "", nil)
	b.report.add("start", "sign-in to first answer, new person", inSeconds, &answered, "raw CLI, cold", &raw)
	return nil
}

func (b *bench) signInToAnswer(ctx context.Context) (took time.Duration, err error) {
	p, err := b.newPerson(ctx)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := p.login(ctx); err != nil {
		return 0, err
	}
	if err := p.do(ctx, 201, "POST", "/projects", map[string]any{"name": project}, nil); err != nil {
		return 0, err
	}
	id, err := p.open(ctx)
	if err != nil {
		return 0, err
	}
	s, err := p.dial(ctx)
	if err != nil {
		return 0, err
	}
	defer s.close()
	c, err := s.subscribe(ctx, p, id)
	if err != nil {
		return 0, err
	}
	before := time.Since(began)
	t, err := c.ask(ctx, answer)
	if err != nil {
		return 0, err
	}
	return before + t.first, p.do(ctx, 204, "DELETE", "/instance", nil, nil)
}

// instance is what PUT /instance answers, as far as it matters here.
type instance struct {
	ID string `json:"id"`
}

// instances: to get one that is not there and one that is, beside `runc run`
// of true in the same bundle.
func instances(ctx context.Context, b *bench) error {
	if err := b.need(ctx); err != nil {
		return err
	}
	var fresh, cold, reused, gone, bare series
	for range b.set.n {
		p, err := b.newPerson(ctx)
		if err != nil {
			return err
		}
		if err := p.login(ctx); err != nil {
			return err
		}
		var got instance
		for _, step := range []struct {
			want   int
			method string
			into   *series
		}{{201, "PUT", &fresh}, {204, "DELETE", &gone}, {201, "PUT", &cold}, {200, "PUT", &reused}} {
			began := time.Now()
			var into any
			if step.method == "PUT" {
				into = &got
			}
			if err := p.do(ctx, step.want, step.method, "/instance", nil, into); err != nil {
				return err
			}
			step.into.add(time.Since(began))
		}
		if b.set.runtime == "oci" {
			took, err := b.runBare(ctx, got.ID)
			if err != nil {
				return err
			}
			bare.add(took)
		}
		if err := p.do(ctx, 204, "DELETE", "/instance", nil, nil); err != nil {
			return err
		}
	}
	const part, beside = "instance", "runc run true"
	b.report.add(part, "new person: volume and instance", inSeconds, &fresh, beside, &bare)
	b.report.add(part, "cold: instance, volume was there", inSeconds, &cold, beside, &bare)
	b.report.add(part, "reused", inSeconds, &reused, beside, &bare)
	b.report.add(part, "destroyed", inSeconds, &gone, "", nil)
	return nil
}

// runBare runs true with runc in a copy of an instance's bundle, while the
// instance is there and so are its mounts.
func (b *bench) runBare(ctx context.Context, id string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	original := filepath.Join(b.carrel.state(), "instances", id, "bundle")
	raw, err := os.ReadFile(filepath.Join(original, "config.json"))
	if err != nil {
		return 0, fmt.Errorf("read the instance's bundle: %w", err)
	}
	var spec map[string]any
	if err := json.Unmarshal(raw, &spec); err != nil {
		return 0, fmt.Errorf("read the instance's bundle: %w", err)
	}
	object := func(name string) map[string]any { m, _ := spec[name].(map[string]any); return m }
	process, root, linux := object("process"), object("root"), object("linux")
	if process == nil || root == nil || linux == nil {
		return 0, errors.New("the instance's bundle lacks process, root or linux")
	}
	process["args"] = []string{"/usr/bin/true"}
	if p, _ := root["path"].(string); !filepath.IsAbs(p) {
		root["path"] = filepath.Join(original, p)
	}
	if p, _ := linux["cgroupsPath"].(string); p != "" {
		linux["cgroupsPath"] = p + "-bench"
	}
	bundle, err := os.MkdirTemp(b.dir, "bundle-")
	if err != nil {
		return 0, err
	}
	if raw, err = json.Marshal(spec); err != nil {
		return 0, err
	}
	if err := os.WriteFile(filepath.Join(bundle, "config.json"), raw, 0o600); err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, "runc", "--root", filepath.Join(bundle, "runc"), "run", "--bundle", bundle, "bench-"+id)
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("runc run: %w: %.500s", err, out)
	}
	return time.Since(began), nil
}

// memory of each process, and of an instance without and with a Claude process.
func memory(ctx context.Context, b *bench) (err error) {
	if err := b.need(ctx); err != nil {
		return err
	}
	p, err := b.signedIn(ctx)
	if err != nil {
		return err
	}
	var got instance
	if err := p.do(ctx, 0, "PUT", "/instance", nil, &got); err != nil { // the project may have made it
		return err
	}
	supervisor, err := role(got.ID, "supervisor")
	if err != nil {
		return err
	}
	empty := series{}
	if err := measure(&empty, supervisor, treePSS); err != nil {
		return err
	}
	s, err := p.dial(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	id, err := p.open(ctx)
	if err != nil {
		return err
	}
	c, err := s.subscribe(ctx, p, id)
	if err != nil {
		return err
	}
	r, err := b.startRaw()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	for range 3 {
		for _, t := range []talk{c, r} {
			if _, err := t.ask(ctx, answer); err != nil {
				return err
			}
		}
	}
	var full, raw series
	if err := errors.Join(measure(&full, supervisor, treePSS), measure(&raw, r.cmd.Process.Pid, treePSS)); err != nil {
		return err
	}
	const part = "memory (PSS)"
	for _, one := range []struct{ name, command string }{{"server", "server"}, {"gateway", "gateway"}, {"keeper", "keeper"}} {
		pid := b.carrel.cmd.Process.Pid // the server is the process that was started
		if one.name != "server" {
			if pid, err = role(b.carrel.dir, one.command); err != nil {
				return err
			}
		}
		var used series
		if err := measure(&used, pid, pss); err != nil {
			return err
		}
		b.report.add(part, one.name, inBytes, &used, "", nil)
	}
	b.report.add(part, "instance without Claude", inBytes, &empty, "", nil)
	b.report.add(part, "instance with one Claude process", inBytes, &full, "raw CLI", &raw)
	return nil
}

func measure(into *series, pid int, how func(int) (int64, error)) error {
	n, err := how(pid)
	if err != nil {
		return err
	}
	into.addBytes(n)
	return nil
}
