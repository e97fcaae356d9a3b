package push

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/pool/pooltest"
	"github.com/carrel-dev/carrel/internal/session"
	"github.com/carrel-dev/carrel/internal/store"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// world is everything around the service.
type world struct {
	*Service
	t        testing.TB
	db       *store.DB
	services *service

	mu       sync.Mutex
	watch    func(pool.Change)
	states   map[key]string
	events   map[key][]protocol.Event
	language string
	inactive bool
	followed bool
	trusted  []string      // push services beside the one
	looked   chan struct{} // a person was looked up
	at       time.Time
	passed   atomic.Int64 // beyond the real time since begun
}

func (w *world) Watch(f func(pool.Change)) func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watch = f
	for k, state := range w.states {
		f(pool.Change{UserID: k.userID, Session: &protocol.Session{ID: k.id, State: state, LastSeq: int64(len(w.events[k]))}})
	}
	return func() {}
}

func (w *world) Get(_ context.Context, userID int64, id string) (session.Session, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	state, ok := w.states[key{userID, id}]
	if !ok {
		return session.Session{}, fault.New(fault.NotFound, "There is no such session.")
	}
	return session.Session{ID: id, UserID: userID, Title: "Fix the roof", State: state}, nil
}

func (w *world) Last(_ context.Context, userID int64, id string, _ int) ([]protocol.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.events[key{userID, id}], nil
}

func (w *world) Followed(int64, string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.followed
}

func (w *world) User(_ context.Context, id int64) (account.User, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.looked <- struct{}{}:
	default:
	}
	return account.User{ID: id, Language: w.language, Active: !w.inactive}, nil
}

// happens adds lines to a session, and then has it stand so, which a supervisor writes behind them.
func (w *world) happens(user int64, id, state string, lines ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	k := key{user, id}
	if state != w.states[k] {
		lines = append(slices.Clone(lines), `{"type":"carrel.state","state":"`+state+`"}`)
	}
	for _, l := range lines {
		w.events[k] = append(w.events[k], protocol.Event{Seq: int64(len(w.events[k]) + 1), Event: json.RawMessage(l)})
	}
	w.states[k] = state
	if _, err := w.db.Bun().NewRaw("UPDATE sessions SET state = ? WHERE user_id = ? AND id = ?", state, user, id).Exec(w.t.Context()); err != nil {
		w.t.Error(err)
	}
	w.watch(pool.Change{UserID: user, Session: &protocol.Session{ID: id, State: state, LastSeq: int64(len(w.events[k]))}})
}

const (
	roof = "11111111-1111-4111-8111-111111111111"
	ask  = `{"type":"control_request","request_id":"r1","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"make\n  roof\u202e"}}}`
	asks = `{"type":"carrel.state","state":"waiting"}` // comes after what is asked
	done = `{"type":"result","subtype":"success","is_error":false,"terminal_reason":"completed","result":"The roof is tight."}`
)

func start(t testing.TB) *world {
	t.Helper()
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "carrel.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &world{t: t, db: db, services: newPushService(t), states: map[key]string{}, events: map[key][]protocol.Event{}, language: "en", looked: make(chan struct{}, 1), at: time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)}
	for _, name := range []string{"ana", "ben"} {
		if _, err := db.Bun().NewRaw("INSERT INTO users (username, password_hash, role, language, active, created_at) VALUES (?, '', 'user', 'en', TRUE, ?)", name, w.at).Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for user := range int64(2) {
		w.insert(user+1, roof)
	}
	w.serve()
	return w
}

func (w *world) insert(user int64, id string) {
	w.t.Helper()
	_, err := w.db.Bun().NewRaw(`INSERT INTO sessions (user_id, id, project, title, titled_by, model, asked_model, permission_mode, state, created_at, last_activity_at, last_seq, usage, cost_usd, fork_of, cli_left)
		VALUES (?, ?, '', '', '', '', '', '', 'dormant', ?, ?, 0, '{}', 0, '', FALSE)`, user, id, w.at, w.at).Exec(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
}

// session is one more of a user's.
func (w *world) session(user int64, n int) string {
	w.t.Helper()
	id := fmt.Sprintf("22222222-2222-4222-8222-%012d", n)
	w.insert(user, id)
	return id
}

// serve starts the service, or the next one after a restart.
func (w *world) serve() {
	u, _ := url.Parse(w.services.URL)
	w.Service = New(Options{DB: w.db.Bun(), Pool: w, Sessions: w, Accounts: w, Log: slog.New(slog.NewTextHandler(w.t.Output(), nil)),
		Contact: "ops@example.org", Delay: time.Millisecond, TrustedHosts: append(w.trusted, u.Host)})
	w.now = func() time.Time { return w.at.Add(time.Since(begun) + time.Duration(w.passed.Load())) }
	w.Start()
	w.t.Cleanup(w.Stop)
}

var begun = time.Now()

func (w *world) phone(user int64, name string) *device {
	w.t.Helper()
	d := w.services.device(w.t, name)
	if _, _, err := w.Subscribe(w.t.Context(), user, d.subscription(w.services.URL)); err != nil {
		w.t.Fatal(err)
	}
	return d
}

// checkSignature holds the header to RFC 8292: our key, a signature by it, the service as audience, an end within a day.
func (w *world) checkSignature(header string) {
	w.t.Helper()
	header, ok := strings.CutPrefix(header, "vapid t=")
	token, public, ok2 := strings.Cut(header, ", k=")
	ours, err := w.PublicKey(w.t.Context())
	if !ok || !ok2 || err != nil || public != ours {
		w.t.Fatalf("authorization %q, our key %q, %v", header, ours, err)
	}
	point, err := base64.RawURLEncoding.DecodeString(public)
	if err != nil || len(point) != 65 {
		w.t.Fatalf("the key is %d bytes, %v", len(point), err)
	}
	parts := strings.Split(token, ".")
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || len(signature) != 64 {
		w.t.Fatalf("signature: %d bytes, %v", len(signature), err)
	}
	hash := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	pub := ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(point[1:33]), Y: new(big.Int).SetBytes(point[33:])}
	if !ecdsa.Verify(&pub, hash[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		w.t.Error("the signature is not by the key")
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		w.t.Fatal(err)
	}
	var c struct {
		Aud, Sub string
		Exp      int64
	}
	if err := json.Unmarshal(claims, &c); err != nil || c.Aud != w.services.URL || c.Sub != "mailto:ops@example.org" || time.Until(time.Unix(c.Exp, 0)) > 24*time.Hour {
		w.t.Errorf("claims %s, %v", claims, err)
	}
}

// knowing changes what the follower reads under its lock.
func (w *world) knowing(f func()) {
	w.Service.states.mu.Lock()
	defer w.Service.states.mu.Unlock()
	f()
}

// passes moves the clock.
func (w *world) passes(d time.Duration) {
	w.passed.Add(int64(d))
	w.Service.states.wake <- struct{}{}
}

// idle waits until nothing is due any more, but what was put off.
func (w *world) idle() {
	w.t.Helper()
	pooltest.Poll(w.t, "that nothing is due", func() (bool, any) {
		w.Service.states.mu.Lock()
		defer w.Service.states.mu.Unlock()
		due := 0
		for _, st := range w.Service.states.all {
			if !st.due.IsZero() && st.due.Before(w.now().Add(time.Minute)) {
				due++
			}
		}
		due += len(w.Service.states.busy)
		return due == 0, due
	})
}
