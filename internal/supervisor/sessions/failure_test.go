package sessions

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// TestOddLines: what nobody knows is passed on byte for byte; what is no event is left out.
func TestOddLines(t *testing.T) {
	w := makeWorld(t, os.Args[0], pretenderEnv("odd"))
	id := uuid.NewString()
	f := w.follow2(id)
	w.prompt(id, "go")
	f.result()
	if got := w.state(id); got != protocol.StateRunning {
		t.Errorf("state is %s: a result that names no prompt, and one that nobody began, ends nothing", got)
	}
	var got []string
	for _, e := range w.all(id) {
		got = append(got, e.Raw)
	}
	text := strings.Join(got, "\n")
	want := strings.Join([]string{oddLines[0], oddLines[1], oddLines[3], oddLines[5], oddLines[6]}, "\n")
	if !strings.Contains(text, want) {
		t.Errorf("got\n%s\nwant in it\n%s", text, want)
	}
	if strings.Contains(text, "echo of ours") || strings.Contains(text, "Warning") {
		t.Errorf("too much is there:\n%s", text)
	}
}

// TestFlood: endless output without a line break ends the process, and memory does not grow with it.
func TestFlood(t *testing.T) {
	w := makeWorld(t, os.Args[0], pretenderEnv("flood"))
	id := uuid.NewString()
	f := w.follow2(id)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w.prompt(id, "go")
	if e := f.typed(protocol.EventError); !strings.Contains(e.Detail, "16 MiB") {
		t.Errorf("got %v", e)
	}
	if e := f.state(protocol.StateDormant); e.Reason != reasonFailed {
		t.Errorf("got %v", e)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("%d MiB stayed", grown>>20)
	}
}

// TestCrashLoop: a prompt that kills Claude every time is given up, and the session can be used again.
func TestCrashLoop(t *testing.T) {
	w := makeWorld(t, os.Args[0], pretenderEnv("dies"))
	id := uuid.NewString()
	f := w.follow2(id)
	w.prompt(id, "go", "poison")
	if e := f.state(protocol.StateDormant); e.Reason != reasonFailed {
		t.Errorf("got %v", e)
	}
	all := w.all(id)
	errors := count(all, func(e event) bool {
		return e.Type == protocol.EventError && strings.Contains(e.Detail, "exit code 3: boom \uFFFD")
	})
	if errors != maxStarts+1 {
		t.Errorf("%d errors, want %d", errors, maxStarts+1)
	}
	if res := w.prompt(id, "go", "poison"); !res.Duplicate {
		t.Error("a prompt that was given up ran again")
	}
	w.stop()
	w.start()
	w.open(id)
	f = w.follow(id, all[len(all)-1].Seq)
	f.state(protocol.StateReady) // and not running: the poison is gone
}

// TestComplainsInThePersonsLanguage: what is journaled for people is in the language of the account.
func TestComplainsInThePersonsLanguage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "claude")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho 'no such flag' >&2\nexit 2\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	w := makeWorld(t, path)
	w.stop()
	w.cfg.Language = "zh-CN"
	w.start()
	id := uuid.NewString()
	f := w.follow2(id)
	w.prompt(id, "go", "p1")
	if e := f.typed(protocol.EventError); e.Detail != "无法启动 Claude（退出码 2: no such flag）。" || e.Code != string(fault.Internal) {
		t.Errorf("got %v", e)
	}
	f.state(protocol.StateDormant)
	// The person has changed it while the instance was there.
	req := &protocol.PromptRequest{OpenRequest: protocol.OpenRequest{SessionID: id, Project: "demo"}, ID: "p2", Author: "ana", Language: "en", Content: json.RawMessage(`"go on"`)}
	if _, err := w.Prompt(w.ctx(), req); err != nil {
		t.Fatal(err)
	}
	if e := f.typed(protocol.EventError); !strings.Contains(e.Detail, "exit code 2: no such flag") {
		t.Errorf("after the change: got %v", e)
	}
	f.state(protocol.StateDormant)
}

// TestDiesAtStart: what Claude says on stderr reaches the person, and the prompt waits for the next try.
func TestDiesAtStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "claude")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho 'no such flag' >&2\nexit 2\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	w := makeWorld(t, path)
	id := uuid.NewString()
	f := w.follow2(id)
	w.prompt(id, "go", "p1")
	if e := f.typed(protocol.EventError); !strings.Contains(e.Detail, "exit code 2: no such flag") {
		t.Errorf("got %v", e)
	}
	if e := f.state(protocol.StateDormant); e.Reason != reasonNotStarted {
		t.Errorf("got %v", e)
	}
	w.stop()
	w.cfg.Claude, w.cfg.Env = os.Args[0], append(w.cfg.Env, pretenderEnv("quick"))
	w.start()
	w.open(id)
	f = w.follow(id, 0)
	f.result()
	f.state(protocol.StateReady)
}

// TestPromptsOutliveTheSupervisor: what was accepted and never reached Claude is brought when the session is next
// opened, in order and once.
func TestPromptsOutliveTheSupervisor(t *testing.T) {
	w := makeWorld(t, os.Args[0], pretenderEnv("mute"))
	id := uuid.NewString()
	for _, p := range []string{"one", "two", "three"} {
		w.prompt(id, p, p)
	}
	w.stop()
	if s := w.List()[0]; s.State != protocol.StateDormant {
		t.Errorf("after Stop: %+v", s)
	}
	w.cfg.Env[len(w.cfg.Env)-1] = pretenderEnv("quick")
	w.start()
	if res := w.prompt(id, "two", "two"); !res.Duplicate {
		t.Error("a prompt that waits was taken for a new one")
	}
	f := w.follow(id, 0)
	for range 3 {
		f.result()
	}
	f.state(protocol.StateReady)
	got, err := os.ReadFile(filepath.Join(w.dir, id+".conversation"))
	if err != nil {
		t.Fatal(err)
	}
	want := promptUUID(id, "one") + "\n" + promptUUID(id, "two") + "\n" + promptUUID(id, "three") + "\n"
	if string(got) != want {
		t.Errorf("ran\n%swant\n%s", got, want)
	}
}

// TestKilledSupervisor: a journal that ends in the middle of life is told to be dormant.
func TestKilledSupervisor(t *testing.T) {
	w := makeWorld(t, os.Args[0], pretenderEnv("quick"))
	id := uuid.NewString()
	f := w.follow2(id)
	w.open(id)
	ready := f.state(protocol.StateReady)
	// What a killed supervisor leaves behind is what is on disk now.
	left := filepath.Join(w.dir, "left")
	if err := os.CopyFS(left, os.DirFS(w.cfg.JournalDir)); err != nil {
		t.Fatal(err)
	}
	w.stop()
	w.cfg.JournalDir = left
	w.start()
	all := w.all(id)
	if e := all[len(all)-1]; e.Seq != ready.Seq+1 || e.State != protocol.StateDormant || e.Reason != reasonRestarted {
		t.Errorf("got %v", e)
	}
}

// TestStorm: whatever happens at once, there are never two processes of one session, and every accepted prompt runs
// exactly once.
func TestStorm(t *testing.T) {
	w := makeWorld(t, os.Args[0], pretenderEnv("quick"))
	w.cfg.LiveSessions = 2
	w.stop()
	w.start()
	ids := []string{uuid.NewString(), uuid.NewString(), uuid.NewString()}
	var mu sync.Mutex
	accepted := map[string][]string{}
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(g)))
			for range 25 {
				id := ids[rnd.IntN(len(ids))]
				switch n := rnd.IntN(10); {
				case n < 6:
					prompt := uuid.NewString()
					var both sync.WaitGroup
					for range 1 + rnd.IntN(2) { // sometimes twice at once
						both.Go(func() {
							_, err := w.tryPrompt(id, "go", prompt)
							if err != nil && fault.CodeOf(err) != fault.QuotaExceeded {
								t.Errorf("prompt: %v", err)
							}
							if err == nil {
								mu.Lock()
								accepted[id] = append(accepted[id], prompt)
								mu.Unlock()
							}
						})
					}
					both.Wait()
				case n < 7:
					if _, err := w.Close(w.ctx(), &protocol.SessionRequest{SessionID: id}); err != nil && fault.CodeOf(err) != fault.NotFound {
						t.Errorf("close: %v", err)
					}
				case n < 8:
					if _, err := w.Interrupt(w.ctx(), &protocol.SessionRequest{SessionID: id}); err != nil && fault.CodeOf(err) != fault.NotFound && fault.CodeOf(err) != fault.InstanceUnavailable {
						t.Errorf("interrupt: %v", err)
					}
				default:
					for _, p := range w.table.List() {
						if p.SessionID == id && n == 9 {
							_ = syscall.Kill(p.PID, syscall.SIGKILL) // it may be gone
						}
					}
				}
			}
		})
	}
	wg.Wait()
	w.stop()
	w.cfg.LiveSessions = len(ids)
	w.start()
	for _, id := range ids {
		w.prompt(id, "last", "last")
		f := w.follow(id, 0)
		last := promptUUID(id, "last")
		f.until("the last prompt", func(e event) bool { return e.CommandUUID == last && e.State == "completed" })
		deadline := time.Now().Add(patience)
		for w.state(id) != protocol.StateReady {
			if time.Now().After(deadline) {
				t.Fatalf("session is %s", w.state(id))
			}
			time.Sleep(5 * time.Millisecond)
		}
		ran, _ := os.ReadFile(filepath.Join(w.dir, id+".conversation"))
		// What was asked before may have been given up by a crash loop, or withdrawn while it waited in line.
		given, asked := map[string]bool{}, []string{}
		for _, e := range w.all(id) {
			switch {
			case e.Type == protocol.EventPrompt:
				asked = append(asked, e.ID)
			case e.Type == protocol.EventState && (e.Reason == reasonFailed || e.Reason == reasonWithdrawn):
				for _, p := range asked {
					given[p] = true
				}
				asked = nil
			}
		}
		for _, p := range accepted[id] {
			if n := strings.Count(string(ran), p); n != 1 && !(n == 0 && given[p]) {
				t.Errorf("prompt %s ran %d times", p, n)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(w.dir, "TWO")); err == nil {
		t.Error("there were two processes of one session at one time")
	}
}

func TestStopWhileStarting(t *testing.T) {
	w := makeWorld(t, os.Args[0], pretenderEnv("mute"))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := w.tryPrompt(uuid.NewString(), "go")
			if code := fault.CodeOf(err); err != nil && code != fault.InstanceUnavailable && code != fault.QuotaExceeded {
				t.Errorf("got %v", err)
			}
		})
	}
	w.stop()
	wg.Wait()
	w.stop() // twice is fine
	_, err := w.Open(w.ctx(), &protocol.OpenRequest{SessionID: uuid.NewString(), Project: "demo"})
	wantCode(t, err, fault.InstanceUnavailable)
}

// follow2 makes the session known, so that it can be followed before it is live.
func (w *world) follow2(id string) *follower {
	w.t.Helper()
	s, release, err := w.use(id, true)
	if err != nil {
		w.t.Fatal(err)
	}
	defer release()
	f := w.follow(id, 0)
	deadline := time.Now().Add(patience)
	for {
		s.mu.Lock()
		users := s.users
		s.mu.Unlock()
		if users > 1 {
			return f
		}
		if time.Now().After(deadline) {
			w.t.Fatal("the subscriber did not come")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestRefusals(t *testing.T) {
	w := makeWorld(t, os.Args[0], pretenderEnv("quick"))
	id := uuid.NewString()
	for what, req := range map[string]protocol.PromptRequest{
		"session id":        {OpenRequest: protocol.OpenRequest{SessionID: "../../etc", Project: "demo"}, ID: "x", Content: json.RawMessage(`"x"`)},
		"upper case":        {OpenRequest: protocol.OpenRequest{SessionID: strings.ToUpper(id), Project: "demo"}, ID: "x", Content: json.RawMessage(`"x"`)},
		"no project":        {OpenRequest: protocol.OpenRequest{SessionID: id}, ID: "x", Content: json.RawMessage(`"x"`)},
		"project path":      {OpenRequest: protocol.OpenRequest{SessionID: id, Project: "a/b"}, ID: "x", Content: json.RawMessage(`"x"`)},
		"project up":        {OpenRequest: protocol.OpenRequest{SessionID: id, Project: ".."}, ID: "x", Content: json.RawMessage(`"x"`)},
		"model is a flag":   {OpenRequest: protocol.OpenRequest{SessionID: id, Project: "demo", Model: "--help"}, ID: "x", Content: json.RawMessage(`"x"`)},
		"mode":              {OpenRequest: protocol.OpenRequest{SessionID: id, Project: "demo", PermissionMode: "nonsense"}, ID: "x", Content: json.RawMessage(`"x"`)},
		"bypass":            {OpenRequest: protocol.OpenRequest{SessionID: id, Project: "demo", PermissionMode: "bypassPermissions"}, ID: "x", Content: json.RawMessage(`"x"`)},
		"no prompt id":      {OpenRequest: protocol.OpenRequest{SessionID: id, Project: "demo"}, Content: json.RawMessage(`"x"`)},
		"long prompt id":    {OpenRequest: protocol.OpenRequest{SessionID: id, Project: "demo"}, ID: strings.Repeat("x", 129), Content: json.RawMessage(`"x"`)},
		"prompt id\n":       {OpenRequest: protocol.OpenRequest{SessionID: id, Project: "demo"}, ID: "x\n", Content: json.RawMessage(`"x"`)},
		"content":           {OpenRequest: protocol.OpenRequest{SessionID: id, Project: "demo"}, ID: "x", Content: json.RawMessage(`[{"type":"tool_result"}]`)},
		"broken content":    {OpenRequest: protocol.OpenRequest{SessionID: id, Project: "demo"}, ID: "x", Content: json.RawMessage(`{not json`)},
		"a copy of itself":  {OpenRequest: protocol.OpenRequest{SessionID: id, Project: "demo", ForkOf: id}, ID: "x", Content: json.RawMessage(`"x"`)},
		"a copy of nothing": {OpenRequest: protocol.OpenRequest{SessionID: id, Project: "demo", ForkOf: "x"}, ID: "x", Content: json.RawMessage(`"x"`)},
	} {
		if _, err := w.Prompt(w.ctx(), &req); fault.CodeOf(err) != fault.Invalid || err == nil {
			t.Errorf("%s: got %v, want invalid", what, err)
		}
	}
	_, err := w.Open(w.ctx(), &protocol.OpenRequest{SessionID: id, Project: "not-there"})
	wantCode(t, err, fault.NotFound)
	if err == nil || !strings.Contains(err.Error(), `"not-there"`) {
		t.Errorf("got %v", err)
	}
	wantCode(t, w.Events(w.ctx(), &protocol.EventsRequest{SessionID: id}, nil), fault.NotFound)
	for _, call := range []func() error{
		func() error { _, err := w.Close(w.ctx(), &protocol.SessionRequest{SessionID: id}); return err },
		func() error { _, err := w.Interrupt(w.ctx(), &protocol.SessionRequest{SessionID: id}); return err },
		func() error { _, err := w.Delete(w.ctx(), &protocol.SessionRequest{SessionID: id}); return err },
		func() error { _, err := w.Set(w.ctx(), &protocol.SetRequest{SessionID: id}); return err },
		func() error {
			_, err := w.Answer(w.ctx(), &protocol.AnswerRequest{SessionID: id, RequestID: "x", Behavior: "allow"})
			return err
		},
	} {
		wantCode(t, call(), fault.NotFound)
	}
	if list := w.List(); len(list) != 0 {
		t.Errorf("refusals left %v", list)
	}
	if left, _ := os.ReadDir(w.cfg.JournalDir); len(left) != 0 {
		t.Errorf("refusals left %v", left)
	}
	id = uuid.NewString() // the other was deleted
	w.open(id)
	wantCode(t, w.Events(w.ctx(), &protocol.EventsRequest{SessionID: id, After: 1000}, nil), fault.Invalid)
	w.cfg.Claude = filepath.Join(w.dir, "nothing")
	w.stop()
	w.start()
	_, err = w.Open(w.ctx(), &protocol.OpenRequest{SessionID: id})
	wantCode(t, err, fault.RuntimeUnavailable)
}

// TestDeaf: a process that leaves a prompt lying is ended, and another takes the prompt up.
func TestDeaf(t *testing.T) {
	w := makeWorld(t, os.Args[0], pretenderEnv("deaf"))
	w.takeUpWithin = 300 * time.Millisecond
	id := uuid.NewString()
	w.prompt(id, "hello?")
	f := w.follow(id, 0)
	f.until("the complaint", func(e event) bool {
		return e.Type == protocol.EventError && strings.Contains(e.Raw, "did not take up a prompt")
	})
	f.result()
	f.state(protocol.StateReady)
	if n := count(w.all(id), func(e event) bool { return e.Type == "result" }); n != 1 {
		t.Errorf("%d results; want 1", n)
	}
}

// TestHangsInATurn: with the real CLI, a tool that runs for long and a model that thinks for long are left alone, for
// the process answers meanwhile; one that is frozen is ended, and another takes the turn up.
func TestHangsInATurn(t *testing.T) {
	w := newWorld(t)
	w.takeUpWithin = 6 * time.Second
	id := uuid.NewString()
	w.prompt(id, "[bash sleep 11] [wait thought]")
	f := w.follow(id, 0)
	silence := time.After(12 * time.Second) // more than a hanging one would get, and then the tool ends
	f.until("the tool's result", func(e event) bool { return e.Type == "user" && strings.Contains(e.Raw, "tool_result") })
	<-silence
	for _, e := range w.all(id) {
		if e.Type == protocol.EventError {
			t.Fatalf("a process that works was told of: %v", e)
		}
	}
	first := w.pid(id)
	if err := syscall.Kill(first, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	f.until("the complaint", func(e event) bool {
		return e.Type == protocol.EventError && strings.Contains(e.Raw, "stopped answering in the middle of its work")
	})
	f.state(protocol.StateStarting)
	w.model.Release("thought")
	if e := f.result(); e.IsError {
		t.Errorf("got %v", e)
	}
	f.state(protocol.StateReady)
	if now := w.pid(id); now == first || syscall.Kill(first, 0) == nil {
		t.Errorf("process %d, after %d, which must be gone", now, first)
	}
	if n := count(w.all(id), func(e event) bool { return e.Type == "result" }); n != 1 {
		t.Errorf("%d results; want 1", n)
	}
}
