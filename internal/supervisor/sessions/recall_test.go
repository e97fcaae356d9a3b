package sessions

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// elsewhere runs the CLI in the project as a person does in a terminal, with the same model.
func (w *world) elsewhere(args ...string) {
	w.t.Helper()
	cmd := exec.CommandContext(w.ctx(), w.cfg.Claude, append([]string{"-p", "--permission-mode", "acceptEdits"}, args...)...)
	cmd.Dir = filepath.Join(w.cfg.Home, "projects", "demo")
	cmd.Env = claude.Environment{Base: w.cfg.Env, Home: w.cfg.Home, User: "ana", Gateway: w.cfg.GatewaySocket}.Environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("claude %q: %v\n%s", args, err, out)
	}
}

// spoken is what people see of a session, a line each.
func (w *world) spoken(session string) string {
	w.t.Helper()
	var out []string
	for _, e := range w.all(session) {
		l, err := claude.Parse([]byte(e.Raw))
		if err != nil {
			w.t.Fatal(err)
		}
		if l.Type == protocol.EventHistory {
			out = append(out, "history")
		}
		said, _ := l.Said()
		for _, b := range said.Blocks {
			who := said.Role
			if said.Replay {
				who = "prompt"
			}
			out = append(out, who+" "+b.Type+" "+b.Text+b.Thinking+b.Name+b.ResultText())
		}
	}
	return strings.Join(out, "\n")
}

func TestRecall(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.elsewhere("--session-id", id, "[think 3] [bash echo heard] [echo 门开了]")
	first := strings.Join([]string{
		"history", "prompt text [think 3] [bash echo heard] [echo 门开了]", "assistant thinking 窗边的。", "assistant tool_use Bash",
		"user tool_result heard", "assistant text 门开了",
	}, "\n")
	for range 2 { // twice the same
		s, err := w.Recall(w.ctx(), &protocol.SessionRequest{SessionID: id})
		if err != nil || s.State != protocol.StateDormant || s.LastSeq == 0 {
			t.Fatalf("recall: got %+v, %v", s, err)
		}
		if got := w.spoken(id); got != first {
			t.Fatalf("got\n%s\nwant\n%s", got, first)
		}
	}
	// It goes on, and remembers.
	f := w.follow(id, 0)
	w.prompt(id, "[echo ours]")
	f.result()
	if n := w.history("[echo ours]"); n < 5 {
		t.Errorf("the model was sent %d messages", n)
	}
	ours := first + "\nprompt text [echo ours]\nassistant text ours"
	if got := w.spoken(id); got != ours {
		t.Errorf("got\n%s\nwant\n%s", got, ours)
	}
	w.close(id)
	w.elsewhere("--resume", id, "[echo theirs]")
	w.open(id)
	w.close(id)
	both := ours + "\nhistory\nprompt text [echo theirs]\nassistant text theirs"
	if got := w.spoken(id); got != both {
		t.Errorf("got\n%s\nwant\n%s", got, both)
	}
	// Nor does a supervisor that was started anew double anything.
	w.stop()
	w.start()
	w.prompt(id, "[echo last]")
	w.follow(id, 0).until("the last answer", func(e event) bool { return e.Type == "assistant" && strings.Contains(e.Raw, `"last"`) })
	if got, want := w.spoken(id), both+"\nprompt text [echo last]\nassistant text last"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// allow lets Claude do what it asks for.
func (w *world) allow(session string, e event) {
	l, err := claude.Parse([]byte(e.Raw))
	if err != nil {
		w.t.Fatal(err)
	}
	if r, ok := l.Request(); ok && r.Permission() {
		a := &protocol.AnswerRequest{SessionID: session, RequestID: l.RequestID, Author: "ana", Behavior: "allow", UpdatedInput: r.Input}
		if _, err := w.Answer(w.ctx(), a); err != nil {
			w.t.Fatal(err)
		}
	}
}

// Of a session of ours nothing is taken for another's.
func TestRecallOfOurs(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.open(id)
	f := w.follow(id, 0)
	for _, p := range []string{"[think 2] [bash echo a] [parallel [bash echo b] [bash cat /nowhere]] [agent [say 3]]", "/cost", "[max-tokens 4]", "/compact", "/nosuch", "[refusal]", "[fail 400]", "[background echo x]"} {
		w.prompt(id, p)
		f.until("the result of "+p, func(e event) bool {
			w.allow(id, e)
			return e.Type == "result"
		})
	}
	w.prompt(id, "[bash sleep 0.5] [echo one]", "p-one")
	w.prompt(id, "[echo two]")
	w.prompt(id, "[echo three]")
	f.until("the last answer", func(e event) bool {
		return e.Type == "assistant" && strings.Contains(e.Raw, "two") && strings.Contains(e.Raw, "three")
	})
	f.state(protocol.StateReady)
	w.close(id)
	before := w.spoken(id)
	_, err := w.Recall(w.ctx(), &protocol.SessionRequest{SessionID: id})
	if err != nil {
		t.Fatal(err)
	}
	if after := w.spoken(id); after != before {
		t.Errorf("it was\n%s\nand is with\n%s", before, strings.TrimPrefix(after, before))
	}
	// What Claude finished and we could not write down is not lost: the end of the journal is.
	w.stop()
	path := filepath.Join(w.cfg.JournalDir, id, "events.jsonl")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := bytes.LastIndex(raw, []byte(`"event":{"type":"assistant"`))
	if err := os.Truncate(path, int64(bytes.LastIndexByte(raw[:last], '\n')+1)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(w.cfg.JournalDir, id, "session.json")); err != nil {
		t.Fatal(err)
	}
	w.start()
	if _, err := w.Recall(w.ctx(), &protocol.SessionRequest{SessionID: id}); err != nil {
		t.Fatal(err)
	}
	if after := strings.Replace(w.spoken(id), "history\n", "", 1); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
}

// A copy of a conversation that was never opened can be read, and so can the original; deleting takes the transcript.
func TestForkAndDeleteOfTheirs(t *testing.T) {
	w := newWorld(t)
	id, fork := uuid.NewString(), uuid.NewString()
	w.elsewhere("--session-id", id, "[echo theirs]")
	if _, err := w.Open(w.ctx(), &protocol.OpenRequest{SessionID: fork, Project: "demo", ForkOf: id}); err != nil {
		t.Fatal(err)
	}
	w.prompt(fork, "[echo mine]")
	w.follow(fork, 0).result()
	w.close(fork)
	theirs := "history\nprompt text [echo theirs]\nassistant text theirs"
	if got, want := w.spoken(fork), theirs+"\nprompt text [echo mine]\nassistant text mine"; got != want {
		t.Errorf("the copy: got\n%s\nwant\n%s", got, want)
	}
	if n := w.history("[echo mine]"); n < 3 {
		t.Errorf("the copy's model was sent %d messages", n)
	}
	w.open(fork)
	w.close(fork)
	if got := strings.Count(w.spoken(fork), "theirs"); got != 2 {
		t.Errorf("opened again, it says 'theirs' %d times", got)
	}
	if got := w.spoken(id); got != theirs {
		t.Errorf("the original: got\n%s", got)
	}
	if _, err := w.Delete(w.ctx(), &protocol.SessionRequest{SessionID: id}); err != nil {
		t.Fatal(err)
	}
	if got := (&home{w.cfg.Home}).paths(id); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
	_, err := w.Recall(w.ctx(), &protocol.SessionRequest{SessionID: id})
	wantCode(t, err, fault.NotFound)
	_, err = w.Recall(w.ctx(), &protocol.SessionRequest{SessionID: "x"})
	wantCode(t, err, fault.Invalid)
}
