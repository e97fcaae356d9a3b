package session

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/pool/pooltest"
	"github.com/carrel-dev/carrel/internal/quota"
	"github.com/carrel-dev/carrel/internal/store"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && inside(os.Args[1]) {
		return
	}
	_ = flag.Set("rapid.checks", "30")                                                        // each starts and kills instances; -rapid.checks gives more
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener")) // ends a moment after Close
}

type everybody struct{}

func (everybody) Owner(_ context.Context, id int64) (pool.Owner, error) {
	return pool.Owner{ID: id, Name: fmt.Sprintf("user%d", id), Language: "en", Active: true, Quota: quota.Default()}, nil
}

// bench is a service on a real store and a real pool, whose supervisors are fake.
type bench struct {
	*Service
	rt   *pooltest.Runtime
	pool *pool.Pool
	db   *store.DB
	log  *slog.Logger
}

var ana, ben = account.User{ID: 1, Username: "ana"}, account.User{ID: 2, Username: "ben"}

func start(t testing.TB) *bench {
	t.Helper()
	b := &bench{rt: pooltest.NewRuntime(t), log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))}
	var err error
	b.db, err = store.Open(t.Context(), filepath.Join(t.TempDir(), "carrel.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.db.Close() })
	for _, u := range []account.User{ana, ben} {
		_, err := b.db.Bun().NewRaw("INSERT INTO users (id, username, password_hash, role, language, active, created_at) VALUES (?, ?, '', 'user', 'en', TRUE, ?)",
			u.ID, u.Username, time.Now().UTC()).Exec(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b.rt.Volume(u.ID).AddProject("demo")
	}
	b.startServer(t)
	return b
}

// startServer is a pool and a service, as after a start of the server.
func (b *bench) startServer(t testing.TB) {
	t.Helper()
	// To the pool two minutes pass between any two looks at the clock: every instance has lived a while when it is
	// killed, and replacing it is not delayed.
	var looks atomic.Int64
	leaping := func() time.Time { return time.Now().Add(time.Duration(looks.Add(1)) * 2 * time.Minute) }
	p := pool.New(pool.Options{Runtime: b.rt, Owners: everybody{}, Log: b.log, Now: leaping, HealthInterval: 50 * time.Millisecond, CheckTimeout: time.Second})
	s := New(Options{DB: b.db.Bun(), Pool: p, Log: b.log})
	if err := errors.Join(s.Start(t.Context()), p.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop(); p.Stop() })
	b.pool, b.Service = p, s
}

func (b *bench) create(t testing.TB, u account.User) Session {
	t.Helper()
	ss, err := b.Create(t.Context(), u.ID, NewSession{Project: "demo"})
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	return ss
}

func (b *bench) prompt(t testing.TB, u account.User, id, text string) int64 {
	t.Helper()
	content, _ := json.Marshal(text)
	p := Prompt{ID: uuid.NewString(), Content: content}
	for try := 1; ; try++ {
		seq, _, err := b.Prompt(t.Context(), u, id, p)
		if err == nil {
			return seq
		}
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.InstanceUnavailable || f.RetryAfter == 0 || try == 5 {
			t.Fatalf("prompt: %v", err)
		}
		time.Sleep(f.RetryAfter) // an instance that was killed again and again: a client is told when to come back
	}
}

// until waits for a session in the catalogue to be what ok says.
func (b *bench) until(t testing.TB, u account.User, id, what string, ok func(Session) bool) Session {
	t.Helper()
	var ss Session
	pooltest.Poll(t, what, func() (bool, any) {
		var err error
		ss, err = b.Get(context.Background(), u.ID, id)
		return err == nil && ok(ss), fmt.Sprintf("%+v, %v", ss, err)
	})
	return ss
}

func TestLifeOfASession(t *testing.T) {
	t.Parallel()
	b := start(t)
	ss := b.create(t, ana)
	if ss.State != protocol.StateDormant || ss.PermissionMode != "default" || string(ss.Usage) != "{}" || ss.LastSeq != 0 || !validID(ss.ID) || ss.CreatedAt.IsZero() {
		t.Fatalf("a new one: %+v", ss)
	}
	if err := b.Open(t.Context(), ana.ID, ss.ID); err != nil {
		t.Fatal(err)
	}
	b.until(t, ana, ss.ID, "ready", func(s Session) bool { return s.State == protocol.StateReady })
	content := json.RawMessage(`"Write a poem\nabout the sea"`)
	seq, dup, err := b.Prompt(t.Context(), ana, ss.ID, Prompt{ID: "p1", Content: content})
	if err != nil || seq != 1 || dup {
		t.Fatalf("prompt: %d, %v, %v", seq, dup, err)
	}
	seq, dup, err = b.Prompt(t.Context(), ana, ss.ID, Prompt{ID: "p1", Content: content})
	if err != nil || seq != 1 || !dup {
		t.Fatalf("the same prompt again: %d, %v, %v; want a duplicate of 1", seq, dup, err)
	}
	b.until(t, ana, ss.ID, "the end of the turn, in the catalogue", func(s Session) bool {
		return s.State == protocol.StateReady && s.LastSeq == 3 && s.CostUSD == 0.25 && strings.Contains(string(s.Usage), "fake-model") && s.Title == "Write a poem"
	})
	evs, _, err := b.Events(t.Context(), ana.ID, ss.ID, 1, 10, 0, anyRoom)
	if err != nil || len(evs) != 2 || evs[0].Seq != 2 {
		t.Fatalf("events: %+v, %v", evs, err)
	}
	var first struct{ Author string }
	evs, _, err = b.Events(t.Context(), ana.ID, ss.ID, 0, 1, 0, anyRoom)
	if err != nil || len(evs) != 1 || json.Unmarshal(evs[0].Event, &first) != nil || first.Author != "ana" {
		t.Fatalf("the prompt's event: %+v, %v", evs, err)
	}
	title := "  The   sea "
	if ss, err = b.Change(t.Context(), ana.ID, ss.ID, Change{Title: &title}); err != nil || ss.Title != "The sea" {
		t.Fatalf("change: %+v, %v", ss, err)
	}
	if err := b.Delete(t.Context(), ana.ID, ss.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Get(t.Context(), ana.ID, ss.ID); !errors.Is(err, fault.NotFoundError) {
		t.Fatalf("after the end: %v", err)
	}
	if j := b.rt.Volume(ana.ID).Journal(ss.ID); len(j) != 0 {
		t.Fatalf("the journal is left: %d events", len(j))
	}
}

func TestTitles(t *testing.T) {
	t.Parallel()
	b := start(t)
	ss := b.create(t, ana)
	b.prompt(t, ana, ss.ID, "First words")
	b.until(t, ana, ss.ID, "the prompt's title", func(s Session) bool { return s.Title == "First words" })
	b.prompt(t, ana, ss.ID, "Second words")
	sup := b.rt.Supervisor(ana.ID)
	sup.SetState(ss.ID, func(s *protocol.Session) { s.Title = "What the CLI\ncalls it" })
	b.until(t, ana, ss.ID, "the CLI's title", func(s Session) bool { return s.Title == "What the CLI calls it" })
	mine := "Mine"
	if _, err := b.Change(t.Context(), ana.ID, ss.ID, Change{Title: &mine}); err != nil {
		t.Fatal(err)
	}
	sup.SetState(ss.ID, func(s *protocol.Session) { s.Title = "Another"; s.CostUSD = 7 })
	b.until(t, ana, ss.ID, "the person's title to stay", func(s Session) bool { return s.CostUSD == 7 && s.Title == "Mine" })
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	b := start(t)
	ss := b.create(t, ana)
	long := strings.Repeat("x", 201)
	for name, n := range map[string]NewSession{
		"no project":       {Project: ""},
		"a path":           {Project: "../demo"},
		"a mode":           {Project: "demo", PermissionMode: "yolo"},
		"a model":          {Project: "demo", Model: "-x"},
		"a title too long": {Project: "demo", Title: long},
	} {
		if _, err := b.Create(t.Context(), ana.ID, n); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("create with %s: %v; want invalid", name, err)
		}
	}
	if _, err := b.Create(t.Context(), ana.ID, NewSession{Project: "nowhere"}); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("create in a project that is not there: %v; want not_found", err)
	}
	for name, p := range map[string]Prompt{
		"no id":          {Content: json.RawMessage(`"x"`)},
		"a long id":      {ID: strings.Repeat("x", 129), Content: json.RawMessage(`"x"`)},
		"a line break":   {ID: "a\nb", Content: json.RawMessage(`"x"`)},
		"nothing":        {ID: "a"},
		"an empty text":  {ID: "a", Content: json.RawMessage(`"  "`)},
		"no blocks":      {ID: "a", Content: json.RawMessage(`[]`)},
		"a block of air": {ID: "a", Content: json.RawMessage(`[{}]`)},
		"broken JSON":    {ID: "a", Content: json.RawMessage(`"x`)},
		"an object":      {ID: "a", Content: json.RawMessage(`{"type":"text"}`)},
	} {
		if _, _, err := b.Prompt(t.Context(), ana, ss.ID, p); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("prompt with %s: %v; want invalid", name, err)
		}
	}
	big := Prompt{ID: "a", Content: json.RawMessage(`"` + strings.Repeat("x", maxContentBytes) + `"`)}
	if _, _, err := b.Prompt(t.Context(), ana, ss.ID, big); fault.CodeOf(err) != fault.TooLarge {
		t.Errorf("a prompt too large: %v; want too_large", err)
	}
	if err := b.Answer(t.Context(), ana, ss.ID, Answer{RequestID: "r", Behavior: "maybe"}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a strange answer: %v; want invalid", err)
	}
}

// TestAnotherUsers lets Ben try everything with Ana's session: each answer is,
// to the letter, that of a session that is not there.
func TestAnotherUsers(t *testing.T) {
	t.Parallel()
	b := start(t)
	ss := b.create(t, ana)
	b.prompt(t, ana, ss.ID, "secret")
	b.create(t, ben)
	noted := make(chan Notice, 100)
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { _ = b.Watch(ctx, ben.ID, func(n Notice) error { noted <- n; return nil }) })

	title := "x"
	try := func(id string) map[string]error {
		errs := map[string]error{}
		_, errs["get"] = b.Get(t.Context(), ben.ID, id)
		_, errs["change"] = b.Change(t.Context(), ben.ID, id, Change{Title: &title, Model: &title})
		errs["delete"] = b.Delete(t.Context(), ben.ID, id)
		errs["open"] = b.Open(t.Context(), ben.ID, id)
		_, _, errs["prompt"] = b.Prompt(t.Context(), ben, id, Prompt{ID: "p", Content: json.RawMessage(`"x"`)})
		errs["answer"] = b.Answer(t.Context(), ben, id, Answer{RequestID: "r", Behavior: "allow"})
		errs["interrupt"] = b.Interrupt(t.Context(), ben, id)
		_, errs["fork"] = b.Fork(t.Context(), ben.ID, id, "")
		_, _, errs["events"] = b.Events(t.Context(), ben.ID, id, 0, 0, 0, anyRoom)
		errs["subscribe"] = b.Subscribe(t.Context(), ben.ID, id, 0, func(*protocol.Event) error { return nil })
		return errs
	}
	theirs, none := try(ss.ID), try(uuid.NewString())
	for what, err := range theirs {
		if !errors.Is(err, fault.NotFoundError) || err.Error() != none[what].Error() {
			t.Errorf("%s: %v; want the same as %v", what, err, none[what])
		}
	}
	items, _, err := b.List(t.Context(), ben.ID, "", 0, "")
	if err != nil || len(items) != 1 || items[0].ID == ss.ID {
		t.Fatalf("Ben's list: %+v, %v", items, err)
	}
	b.prompt(t, ana, ss.ID, "more")
	b.until(t, ana, ss.ID, "Ana's turn", func(s Session) bool { return s.LastSeq == 6 })
	if got := b.until(t, ana, ss.ID, "Ana's title", func(s Session) bool { return s.Title != "" }); got.Title != "secret" {
		t.Fatalf("Ana's title became %q", got.Title)
	}
	cancel()
	watching.Wait()
	close(noted)
	for n := range noted {
		if n.Session != nil && n.Session.ID == ss.ID {
			t.Fatalf("Ben was told of Ana's session: %+v", n)
		}
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.rt.Volume(ana.ID).AddProject("other")
	var want []string
	for i := range 7 {
		name := "demo"
		if i == 3 {
			name = "other"
		}
		ss, err := b.Create(t.Context(), ana.ID, NewSession{Project: name, Title: fmt.Sprint(i)})
		if err != nil {
			t.Fatal(err)
		}
		// Two at a time have the same moment: the id decides between them.
		r := &row{UserID: ana.ID, ID: ss.ID}
		at := stamp(time.Now().Add(time.Duration(i/2) * time.Second))
		if _, err := b.db.Bun().NewUpdate().Model(r).WherePK().Set("last_activity_at = ?", at).Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var times []Session
	cursor := ""
	for {
		items, next, err := b.List(t.Context(), ana.ID, "", 2, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range items {
			want = append(want, s.Title)
			times = append(times, s)
		}
		if cursor = next; next == "" {
			break
		}
	}
	slices.Sort(want)
	if !reflect.DeepEqual(want, []string{"0", "1", "2", "3", "4", "5", "6"}) {
		t.Fatalf("got %v; want each once", want)
	}
	if !slices.IsSortedFunc(times, func(a, b Session) int { return b.LastActivityAt.Compare(a.LastActivityAt) }) {
		t.Fatal("not the last used first")
	}
	items, next, err := b.List(t.Context(), ana.ID, "other", 0, "")
	if err != nil || next != "" || len(items) != 1 || items[0].Title != "3" {
		t.Fatalf("by project: %+v, %q, %v", items, next, err)
	}
	if _, _, err := b.List(t.Context(), ana.ID, "", 2, "rubbish"); fault.CodeOf(err) != fault.Invalid {
		t.Fatalf("a strange cursor: %v", err)
	}
	if items, _, err = b.List(t.Context(), ben.ID, "", 0, ""); err != nil || items == nil || len(items) != 0 {
		t.Fatalf("an empty list: %#v, %v", items, err)
	}
	if b.rt.Creates(ben.ID) != 0 {
		t.Fatal("a list made an instance")
	}
}

func TestConversationsThatTheCLILeft(t *testing.T) {
	t.Parallel()
	b := start(t)
	left := protocol.Transcript{SessionID: uuid.NewString(), Project: "demo", Title: "from a terminal", ModifiedAt: time.Now().Add(-time.Hour)}
	v := b.rt.Volume(ana.ID)
	v.Leave(left,
		protocol.Transcript{SessionID: "../../etc/passwd", Title: "not an id"},
		protocol.Transcript{SessionID: uuid.NewString(), Project: "../x", Title: "bad\x1b[31m project", ModifiedAt: time.Now().Add(time.Hour)})
	if items, _, err := b.List(t.Context(), ana.ID, "", 0, ""); err != nil || len(items) != 0 || b.rt.Creates(ana.ID) != 0 {
		t.Fatalf("without an instance: %+v, %v, %d made", items, err, b.rt.Creates(ana.ID))
	}
	own := b.create(t, ana)
	items, _, err := b.List(t.Context(), ana.ID, "", 0, "")
	if err != nil || len(items) != 3 {
		t.Fatalf("got %+v, %v; want 3", items, err)
	}
	for _, s := range items {
		switch {
		case s.ID == own.ID:
		case s.ID == left.SessionID:
			if s.Title != "from a terminal" || s.Project != "demo" || s.State != protocol.StateDormant {
				t.Errorf("got %+v", s)
			}
		default:
			if s.Project != "" || strings.ContainsRune(s.Title, 0x1b) || s.LastActivityAt.After(time.Now().Add(time.Minute)) {
				t.Errorf("untrusted values got through: %+v", s)
			}
		}
	}
	// It is found by its id too, can be opened, and stays after that.
	if _, err := b.Get(t.Context(), ana.ID, left.SessionID); err != nil {
		t.Fatal(err)
	}
	b.prompt(t, ana, left.SessionID, "go on")
	if err := b.Delete(t.Context(), ana.ID, left.SessionID); err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	clear(b.scanned)
	b.mu.Unlock()
	if items, _, err = b.List(t.Context(), ana.ID, "", 0, ""); err != nil || len(items) != 2 {
		t.Fatalf("after a delete: %+v, %v; want 2", items, err)
	}
}

// Who asks for a conversation while the workspace is being looked through for
// another's list finds it.
func TestFoundWhileOthersLook(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.create(t, ana)
	left := protocol.Transcript{SessionID: uuid.NewString(), Project: "demo", Title: "left", ModifiedAt: time.Now()}
	b.rt.Volume(ana.ID).Leave(left)
	_, done := b.scanDue(ana.ID)
	if done == nil {
		t.Fatal("no scan is due")
	}
	got := make(chan error, 1)
	go func() {
		_, err := b.Get(t.Context(), ana.ID, left.SessionID)
		got <- err
	}()
	if err := b.takeOver(t.Context(), ana.ID, []protocol.Transcript{left}); err != nil {
		t.Fatal(err)
	}
	done()
	if err := <-got; err != nil {
		t.Errorf("got %v", err)
	}
}

func TestFork(t *testing.T) {
	t.Parallel()
	b := start(t)
	ss := b.create(t, ana)
	if _, err := b.Fork(t.Context(), ana.ID, ss.ID, ""); fault.CodeOf(err) != fault.Conflict {
		t.Fatalf("a fork of nothing: %v; want conflict", err)
	}
	b.prompt(t, ana, ss.ID, "one")
	b.until(t, ana, ss.ID, "the turn", func(s Session) bool { return s.LastSeq == 3 && s.Title == "one" })
	f, err := b.Fork(t.Context(), ana.ID, ss.ID, "")
	if err != nil || f.ID == ss.ID || f.Project != "demo" || f.Title != "one (2)" {
		t.Fatalf("fork: %+v, %v", f, err)
	}
	b.prompt(t, ana, ss.ID, "two")
	b.until(t, ana, f.ID, "its history", func(s Session) bool { return s.LastSeq == 3 })
	if n := len(b.rt.Volume(ana.ID).Journal(f.ID)); n != 3 {
		t.Fatalf("the fork has %d events; want the 3 of then", n)
	}
	again, err := b.Fork(t.Context(), ana.ID, f.ID, "")
	if err != nil || again.Title != "one (3)" {
		t.Fatalf("a fork of the fork: %+v, %v", again, err)
	}
}

func TestChangeOfARunningProcess(t *testing.T) {
	t.Parallel()
	b := start(t)
	ss := b.create(t, ana)
	model, mode, effort := "model-a", "plan", "high"
	ss, err := b.Change(t.Context(), ana.ID, ss.ID, Change{Model: &model, PermissionMode: &mode, Effort: &effort})
	if err != nil || ss.Model != model || ss.PermissionMode != mode || ss.Effort != effort {
		t.Fatalf("while dormant: %+v, %v", ss, err)
	}
	if err := b.Open(t.Context(), ana.ID, ss.ID); err != nil {
		t.Fatal(err)
	}
	b.until(t, ana, ss.ID, "ready", func(s Session) bool {
		return s.State == protocol.StateReady && s.Model == model && s.PermissionMode == mode && s.Effort == effort
	})
	if got, _ := b.live(key{ana.ID, ss.ID}); got.Effort != effort {
		t.Errorf("the process was started with the effort %q", got.Effort)
	}
	most, none := "max", "enormous"
	if ss, err = b.Change(t.Context(), ana.ID, ss.ID, Change{Effort: &most}); err != nil || ss.Effort != most {
		t.Errorf("effort while ready: %+v, %v", ss, err)
	}
	if _, err := b.Change(t.Context(), ana.ID, ss.ID, Change{Effort: &none}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("an effort that there is not: %v", err)
	}
	refused := "refused"
	if _, err := b.Change(t.Context(), ana.ID, ss.ID, Change{Model: &refused}); fault.CodeOf(err) != fault.Invalid {
		t.Fatalf("a model that the process refuses: %v", err)
	}
	next := "model-b"
	if ss, err = b.Change(t.Context(), ana.ID, ss.ID, Change{Model: &next}); err != nil || ss.Model != next {
		t.Fatalf("while ready: %+v, %v", ss, err)
	}
	// The CLI changes its mode by itself, when a plan was approved.
	b.rt.Supervisor(ana.ID).SetState(ss.ID, func(s *protocol.Session) { s.PermissionMode = "acceptEdits" })
	b.until(t, ana, ss.ID, "the CLI's own mode", func(s Session) bool { return s.PermissionMode == "acceptEdits" })
	// Without a process, what was chosen last counts, whatever the last one was told.
	b.rt.Supervisor(ana.ID).SetState(ss.ID, func(s *protocol.Session) { s.State = protocol.StateDormant })
	b.until(t, ana, ss.ID, "its end", func(s Session) bool { return s.State == protocol.StateDormant && s.Effort == most })
	back := "default"
	if _, err = b.Change(t.Context(), ana.ID, ss.ID, Change{Effort: &back, PermissionMode: &back, Model: &model}); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Get(t.Context(), ana.ID, ss.ID); err != nil || got.Effort != back || got.PermissionMode != back || got.Model != model {
		t.Errorf("changed while dormant: %+v, %v", got, err)
	}
	if err := b.Open(t.Context(), ana.ID, ss.ID); err != nil {
		t.Fatal(err)
	}
	b.until(t, ana, ss.ID, "ready again", func(s Session) bool { return s.State == protocol.StateReady })
	if got, _ := b.live(key{ana.ID, ss.ID}); got.Effort != back || got.PermissionMode != back || got.Model != model {
		t.Errorf("the next process was started with %+v", got)
	}
}

// What is chosen after a process has ended counts, also where its end is heard only later.
func TestChangeBeforeTheEndIsHeard(t *testing.T) {
	t.Parallel()
	b := start(t)
	ss := b.create(t, ana)
	k := key{ana.ID, ss.ID}
	if _, err := b.amend(t.Context(), k, func(r *row) { r.State = protocol.StateReady }); err != nil {
		t.Fatal(err)
	}
	chosen := "high"
	if _, err := b.Change(t.Context(), ana.ID, ss.ID, Change{Effort: &chosen}); err != nil {
		t.Fatal(err)
	}
	heard := &protocol.Session{ID: ss.ID, State: protocol.StateDormant, Effort: "low"}
	if _, err := b.amend(t.Context(), k, func(r *row) { r.take(heard) }); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Get(t.Context(), ana.ID, ss.ID); err != nil || got.Effort != chosen {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAnswerAndInterrupt(t *testing.T) {
	t.Parallel()
	b := start(t)
	ss := b.create(t, ana)
	if err := b.Interrupt(t.Context(), ana, ss.ID); err != nil {
		t.Fatalf("where nothing runs: %v", err)
	}
	if err := b.Answer(t.Context(), ana, ss.ID, Answer{RequestID: "r", Behavior: "allow"}); !errors.Is(err, fault.NotFoundError) {
		t.Fatalf("an answer to nothing: %v", err)
	}
	sup := func() *pooltest.Supervisor { return b.rt.Supervisor(ana.ID) }
	if err := b.Open(t.Context(), ana.ID, ss.ID); err != nil {
		t.Fatal(err)
	}
	sup().Hold(true)
	b.prompt(t, ana, ss.ID, "work")
	sup().SetState(ss.ID, func(s *protocol.Session) { s.State = protocol.StateWaiting })
	b.until(t, ana, ss.ID, "waiting", func(s Session) bool { return s.State == protocol.StateWaiting })
	if err := b.Answer(t.Context(), ana, ss.ID, Answer{RequestID: "r", Behavior: "allow"}); err != nil {
		t.Fatal(err)
	}
	b.until(t, ana, ss.ID, "running", func(s Session) bool { return s.State == protocol.StateRunning })
	if err := b.Interrupt(t.Context(), ana, ss.ID); err != nil {
		t.Fatal(err)
	}
	b.until(t, ana, ss.ID, "ready", func(s Session) bool { return s.State == protocol.StateReady })
}

func TestStatesFollowTheInstance(t *testing.T) {
	t.Parallel()
	b := start(t)
	ss := b.create(t, ana)
	b.rt.Supervisor(ana.ID).Hold(true)
	b.prompt(t, ana, ss.ID, "work")
	inStore := func(want string) {
		t.Helper()
		pooltest.Poll(t, want+" in the store", func() (bool, any) {
			r, err := find(context.Background(), b.db.Bun(), key{ana.ID, ss.ID})
			return err == nil && r.State == want, fmt.Sprintf("%+v, %v", r, err)
		})
	}
	inStore(protocol.StateRunning)
	// The next server starts on a store that says 'running', and finds it so.
	b.Service.Stop()
	b.pool.Stop()
	b.startServer(t)
	inStore(protocol.StateRunning)
	b.until(t, ana, ss.ID, "running, seen by the next server", func(s Session) bool { return s.State == protocol.StateRunning })
	if err := b.pool.Destroy(t.Context(), ana.ID); err != nil {
		t.Fatal(err)
	}
	inStore(protocol.StateDormant)
	if s, err := b.Get(t.Context(), ana.ID, ss.ID); err != nil || s.State != protocol.StateDormant {
		t.Fatalf("got %+v, %v; want dormant", s, err)
	}
}

func TestRenameProject(t *testing.T) {
	t.Parallel()
	b := start(t)
	ss, other := b.create(t, ana), b.create(t, ben)
	if err := b.RenameProject(t.Context(), ana.ID, "demo", "renamed"); err != nil {
		t.Fatal(err)
	}
	if s, _ := b.Get(t.Context(), ana.ID, ss.ID); s.Project != "renamed" {
		t.Fatalf("got %+v", s)
	}
	if s, _ := b.Get(t.Context(), ben.ID, other.ID); s.Project != "demo" {
		t.Fatalf("Ben's was renamed too: %+v", s)
	}
}
