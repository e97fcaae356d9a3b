package demo

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// steps in order; a later one may build on an earlier.
var steps = []step{
	{"The first administrator sets Carrel up with the printed code, and adds a second person", setUp},
	{"Each person gets an instance of their own; asking again gives the same one", createAndReuse},
	{"A workspace has its folders and a README that welcomes; a changed README stays", workspace},
	{"Neither sees a trace of the other", isolation},
	{"A session starts a real Claude process, which is counted; the answer comes word by word", conversation},
	{"Both talk at the same time, and nothing mixes", both},
	{"Health: a check leaves the instance healthy; a killed one is noticed and replaced", health},
	{"Quota: a limit of 0 refuses, and back within it works", quota},
	{"Destroy: the instance is gone, the files stay", destroy},
	{"Ctrl-C ends everything within 15 seconds, and leaves nothing behind", shutdown},
}

func setUp(w *walk) (err error) {
	if w.ada, err = w.server.person("ada"); err != nil {
		return err
	}
	if w.bob, err = w.server.person("bob"); err != nil {
		return err
	}
	if err := w.ada.do(w.ctx, 201, "POST", "/setup", map[string]any{"setup_code": w.server.code, "username": "ada", "password": w.ada.password()}, nil); err != nil {
		return err
	}
	if err := w.ada.login(w.ctx); err != nil {
		return err
	}
	if err := w.ada.do(w.ctx, 201, "POST", "/users", map[string]any{"username": "bob", "password": w.bob.password(), "role": "user"}, nil); err != nil {
		return err
	}
	if err := w.bob.login(w.ctx); err != nil {
		return err
	}
	w.held("ada (administrator) is user %d, bob is user %d", w.ada.id, w.bob.id)
	return nil
}

func createAndReuse(w *walk) error {
	seen := map[string]string{}
	for _, p := range []*person{w.ada, w.bob} {
		start := time.Now()
		var made, again instance
		if err := p.do(w.ctx, 201, "PUT", "/instance", nil, &made); err != nil {
			return err
		}
		took := time.Since(start)
		start = time.Now()
		if err := p.do(w.ctx, 200, "PUT", "/instance", nil, &again); err != nil {
			return err
		}
		if err := expect(made.ID == again.ID && made.Workspace == again.Workspace, "%s got another instance at the second time", p.name); err != nil {
			return err
		}
		if err := expect(made.Status == "active" && strings.HasSuffix(made.Workspace, fmt.Sprintf("user-%d", p.id)), "got %+v", made); err != nil {
			return err
		}
		if other, ok := seen[made.ID]; ok {
			return fmt.Errorf("%s and %s share an instance", p.name, other)
		}
		seen[made.ID] = p.name
		w.held("%s: %s, workspace %s (made in %d ms, given again in %d ms)", p.name, made.ID, made.Workspace, took.Milliseconds(), time.Since(start).Milliseconds())
	}
	return nil
}

func workspace(w *walk) error {
	out, _, err := w.bob.command(w.ctx, "ls")
	if err != nil {
		return err
	}
	for _, name := range []string{"README.md", "projects", "temp", "uploads"} {
		if err := contains(out, name); err != nil {
			return err
		}
	}
	w.held("bob's workspace: %s", strings.Join(strings.Fields(out), "  "))
	if err := w.bob.do(w.ctx, 200, "PUT", "/files/content?path=README.md", "bob was here", nil); err != nil {
		return err
	}
	if err := w.bob.do(w.ctx, 204, "DELETE", "/instance", nil, nil); err != nil {
		return err
	}
	if err := w.bob.do(w.ctx, 201, "PUT", "/instance", nil, nil); err != nil {
		return err
	}
	var text string
	if err := w.bob.do(w.ctx, 200, "GET", "/files/content?path=README.md", nil, &text); err != nil {
		return err
	}
	if err := expect(text == "bob was here", "README.md is %q", cut(text)); err != nil {
		return err
	}
	w.held("bob's changed README is still his after his instance was made anew")
	return nil
}

func isolation(w *walk) error {
	if err := w.ada.do(w.ctx, 201, "PUT", "/files/content?path=projects/secret.txt", "ada's secret", nil); err != nil {
		return err
	}
	out, _, err := w.bob.command(w.ctx, "sh", "-c", "grep -rs \"ada's secret\" / --exclude-dir=proc --exclude-dir=sys --exclude-dir=usr; ls /home; cat /etc/passwd; ps -e -o comm= 2>/dev/null || true")
	if err != nil {
		return err
	}
	if err := expect(!strings.Contains(out, "ada"), "bob found a trace of ada: %q", cut(out)); err != nil {
		return err
	}
	w.held("bob searched every file and process that he can see: no trace of ada")
	for _, path := range []string{"../user-1/README.md", "/etc/shadow", "projects/../../x"} {
		if pr, err := w.bob.refused(w.ctx, "GET", "/files/content?path="+path, nil); err != nil {
			return err
		} else if err := expect(pr.Code == "invalid" || pr.Code == "not_found" || pr.Code == "forbidden", "%s: %v", path, pr); err != nil {
			return err
		}
	}
	w.held("paths that lead out of his workspace are refused")
	out, _, err = w.bob.command(w.ctx, "sh", "-c", "cat /proc/[0-9]*/environ; env")
	if err != nil {
		return err
	}
	// The CLI wants something in the place of a key, and is given this.
	out = strings.ReplaceAll(out, "sk-ant-carrel-placeholder", "")
	if err := expect(!strings.Contains(out, "sk-ant"), "a key is in bob's environment"); err != nil {
		return err
	}
	if _, err := w.bob.refused(w.ctx, "GET", "/users", nil); err != nil {
		return err
	}
	w.held("no key is in his environment, and the administrator's pages are closed to him")
	return nil
}

// openSession makes a project and a session, and waits until its process is ready.
func openSession(w *walk, p *person, project string) (id string, after int64, err error) {
	if err := p.do(w.ctx, 201, "POST", "/projects", map[string]any{"name": project}, nil); err != nil {
		return "", 0, err
	}
	var s struct {
		ID string `json:"id"`
	}
	if err := p.do(w.ctx, 201, "POST", "/sessions", map[string]any{"project": project}, &s); err != nil {
		return "", 0, err
	}
	return s.ID, 0, nil
}

// ask sends a prompt and gives the answer with the number of pieces it came in.
func ask(w *walk, p *person, session, promptID, text string, after int64) (answer string, pieces int, last int64, err error) {
	if err := p.do(w.ctx, 202, "POST", "/sessions/"+session+"/prompts", map[string]any{"id": promptID, "content": text}, nil); err != nil {
		return "", 0, after, err
	}
	events, err := p.until(w.ctx, session, after, func(e event) bool { return e.Event.Type == "result" })
	if err != nil {
		return "", 0, after, err
	}
	for i, e := range events {
		if e.Event.Event.Delta.Text != "" {
			pieces++
		}
		if i > 0 && e.Seq != events[i-1].Seq+1 {
			return "", 0, after, fmt.Errorf("event %d came after %d", e.Seq, events[i-1].Seq)
		}
	}
	end := events[len(events)-1]
	return end.Event.Result, pieces, end.Seq, nil
}

func conversation(w *walk) error {
	id, after, err := openSession(w, w.ada, "demo")
	if err != nil {
		return err
	}
	start := time.Now()
	answer, _, after, err := ask(w, w.ada, id, "p1", "[echo hello from a carrel]", after)
	if err != nil {
		return err
	}
	if err := contains(answer, "hello from a carrel"); err != nil {
		return err
	}
	w.held("first answer in %d ms: %q", time.Since(start).Milliseconds(), cut(answer))
	var i instance
	if err := w.ada.do(w.ctx, 200, "GET", "/instance", nil, &i); err != nil {
		return err
	}
	if err := expect(i.ActiveProcesses == 1 && len(i.Processes) == 1 && i.Processes[0].Kind == "claude", "processes: %+v", i.Processes); err != nil {
		return err
	}
	pid := i.Processes[0].PID
	w.held("one Claude process is registered (pid %d inside)", pid)
	start = time.Now()
	_, pieces, after, err := ask(w, w.ada, id, "p2", "[say 30]", after)
	if err != nil {
		return err
	}
	if err := expect(pieces >= 10, "the answer came in %d pieces", pieces); err != nil {
		return err
	}
	if err := w.ada.do(w.ctx, 200, "GET", "/instance", nil, &i); err != nil {
		return err
	}
	if err := expect(len(i.Processes) == 1 && i.Processes[0].PID == pid, "the process was not kept: %+v", i.Processes); err != nil {
		return err
	}
	w.held("second answer in %d ms, in %d pieces, from the same process", time.Since(start).Milliseconds(), pieces)
	// The same prompt again runs nothing.
	if err := w.ada.do(w.ctx, 202, "POST", "/sessions/"+id+"/prompts", map[string]any{"id": "p2", "content": "[say 30]"}, nil); err != nil {
		return err
	}
	if _, _, _, err := ask(w, w.ada, id, "p3", "[echo only once]", after); err != nil {
		return err
	}
	w.held("the same prompt sent twice ran once")
	if err := w.ada.do(w.ctx, 204, "DELETE", "/sessions/"+id, nil, nil); err != nil {
		return err
	}
	if err := w.ada.do(w.ctx, 200, "GET", "/instance", nil, &i); err != nil {
		return err
	}
	if err := expect(i.ActiveProcesses == 0, "after the session's end: %+v", i.Processes); err != nil {
		return err
	}
	w.held("after the session's end no process is left")
	return nil
}

func both(w *walk) error {
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for n, p := range []*person{w.ada, w.bob} {
		wg.Go(func() {
			errs[n] = func() error {
				id, after, err := openSession(w, p, "together")
				if err != nil {
					return err
				}
				for turn := range 3 {
					want := fmt.Sprintf("only for %s %d", p.name, turn)
					var answer string
					if answer, _, after, err = ask(w, p, id, fmt.Sprintf("t%d", turn), "[echo "+want+"]", after); err != nil {
						return err
					}
					if err := contains(answer, want); err != nil {
						return err
					}
				}
				return nil
			}()
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	w.held("three turns each, side by side: each got their own answers")
	return nil
}

func health(w *walk) error {
	var before instance
	if err := w.bob.do(w.ctx, 200, "GET", "/instance", nil, &before); err != nil {
		return err
	}
	if err := expect(before.Health.Status == "healthy" && before.Health.ConsecutiveFailures == 0, "health: %+v", before.Health); err != nil {
		return err
	}
	pid, err := w.server.supervisor(before.ID)
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill bob's supervisor: %w", err)
	}
	w.say("bob's supervisor (pid %d on the host) was killed", pid)
	start := time.Now()
	for {
		var now instance
		if err := w.bob.do(w.ctx, 200, "GET", "/instance", nil, &now); err == nil && now.ID != before.ID && now.Status == "active" && now.Health.Status == "healthy" {
			w.held("replaced by %s after %d ms, healthy", now.ID, time.Since(start).Milliseconds())
			return nil
		}
		if time.Since(start) > 20*time.Second {
			return fmt.Errorf("not replaced in 20 s: %+v", now)
		}
		select {
		case <-w.ctx.Done():
			return w.ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func quota(w *walk) error {
	path := fmt.Sprintf("/users/%d", w.bob.id)
	var u struct {
		Quota map[string]any `json:"quota"`
	}
	if err := w.ada.do(w.ctx, 200, "GET", path, nil, &u); err != nil {
		return err
	}
	if err := w.bob.do(w.ctx, 204, "DELETE", "/instance", nil, nil); err != nil {
		return err
	}
	u.Quota["instances"] = 0
	if err := w.ada.do(w.ctx, 200, "PUT", path+"/quota", u.Quota, nil); err != nil {
		return err
	}
	pr, err := w.bob.refused(w.ctx, "PUT", "/instance", nil)
	if err != nil {
		return err
	}
	if err := expect(pr.Code == "quota_exceeded", "got %v", pr); err != nil {
		return err
	}
	w.held("with 0 instances bob is told: %s", pr.Detail)
	u.Quota["instances"] = 1
	if err := w.ada.do(w.ctx, 200, "PUT", path+"/quota", u.Quota, nil); err != nil {
		return err
	}
	if err := w.bob.do(w.ctx, 201, "PUT", "/instance", nil, nil); err != nil {
		return err
	}
	w.held("with 1 he has an instance again")
	return nil
}

func destroy(w *walk) error {
	if err := w.bob.do(w.ctx, 204, "DELETE", "/instance", nil, nil); err != nil {
		return err
	}
	if pr, err := w.bob.refused(w.ctx, "GET", "/instance", nil); err != nil {
		return err
	} else if err := expect(pr.Code == "not_found", "got %v", pr); err != nil {
		return err
	}
	if pr, err := w.bob.refused(w.ctx, "DELETE", "/instance", nil); err != nil {
		return err
	} else if err := expect(pr.Code == "not_found", "got %v", pr); err != nil {
		return err
	}
	w.held("bob has no instance any more, and destroying it again says so")
	return nil
}

func shutdown(w *walk) error {
	took, err := w.server.interrupt()
	if err != nil {
		return err
	}
	if err := expect(took < 15*time.Second, "it took %.1f s", took.Seconds()); err != nil {
		return err
	}
	left, err := w.server.left()
	if err != nil {
		return err
	}
	if err := expect(len(left) == 0, "left behind: %s", strings.Join(left, ", ")); err != nil {
		return err
	}
	if fi, err := os.Stat(w.server.dataDir); err != nil || !fi.IsDir() {
		return fmt.Errorf("the data folder: %w", err)
	}
	w.held("ended in %.1f s; no process, mount or cgroup is left, the data is", took.Seconds())
	return nil
}
