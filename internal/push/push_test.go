package push

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crypto/ecdsa"
	"crypto/elliptic"

	"go.uber.org/goleak"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/session"
	"github.com/carrel-dev/carrel/internal/store"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener")) // ends a moment after Close
}

// device is a browser with its keys, and what it was told.
type device struct {
	t      testing.TB
	key    *ecdh.PrivateKey
	auth   []byte
	path   string
	told   chan Message
	header chan http.Header
}

// service is a push service: it answers what it is told to, and passes on what it takes.
type service struct {
	*httptest.Server
	mu      sync.Mutex
	devices map[string]*device
	answers []int // before 201
	asked   int
}

func newPushService(t testing.TB) *service {
	s := &service{devices: map[string]*device{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	d := s.devices[r.URL.Path]
	s.asked++
	code := http.StatusCreated
	if len(s.answers) > 0 {
		code, s.answers = s.answers[0], s.answers[1:]
	}
	s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	if code/100 == 3 {
		w.Header().Set("Location", s.URL+"/elsewhere")
	}
	w.WriteHeader(code)
	if code != http.StatusCreated || d == nil {
		return
	}
	d.header <- r.Header.Clone()
	d.told <- d.open(body)
}

func (s *service) times() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *service) device(t testing.TB, name string) *device {
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	d := &device{t: t, key: k, auth: make([]byte, 16), path: "/send/" + name, told: make(chan Message, 10), header: make(chan http.Header, 10)}
	_, _ = rand.Read(d.auth)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.devices[d.path] = d
	return d
}

func (d *device) subscription(base string) NewSubscription {
	enc := base64.RawURLEncoding.EncodeToString
	return NewSubscription{Endpoint: base + d.path, P256DH: enc(d.key.PublicKey().Bytes()), Auth: enc(d.auth), Device: "a phone"}
}

// open decrypts a message as RFC 8291 has it.
func (d *device) open(b []byte) Message {
	d.t.Helper()
	must := func(v []byte, err error) []byte {
		if err != nil {
			d.t.Error(err)
		}
		return v
	}
	salt, size, idLen := b[:16], binary.BigEndian.Uint32(b[16:20]), int(b[20])
	server, sealed := b[21:21+idLen], b[21+idLen:]
	if int(size) < len(sealed) || len(b) > 4096 {
		d.t.Errorf("a record of %d bytes in one of %d, %d in all", len(sealed), size, len(b))
	}
	theirs, err := ecdh.P256().NewPublicKey(server)
	if err != nil {
		d.t.Error(err)
		return Message{}
	}
	shared := must(d.key.ECDH(theirs))
	info := append(append([]byte("WebPush: info\x00"), d.key.PublicKey().Bytes()...), server...)
	ikm := must(hkdf.Key(sha256.New, shared, d.auth, string(info), 32))
	cek := must(hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16))
	nonce := must(hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12))
	block, err := aes.NewCipher(cek)
	if err != nil {
		d.t.Error(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		d.t.Error(err)
	}
	plain := must(gcm.Open(nil, nonce, sealed, nil))
	plain = plain[:strings.LastIndexByte(string(plain), 2)]
	var m Message
	if err := json.Unmarshal(plain, &m); err != nil {
		d.t.Errorf("%v: %q", err, plain)
	}
	return m
}

func (d *device) next() Message {
	d.t.Helper()
	select {
	case m := <-d.told:
		return m
	case <-time.After(20 * time.Second):
		d.t.Fatal("the device is told nothing")
	}
	return Message{}
}

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
	w.now = func() time.Time { return w.at.Add(time.Since(begun)) }
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

func TestARequestIsTold(t *testing.T) {
	w := start(t)
	phone, tablet, bens := w.phone(1, "phone"), w.phone(1, "tablet"), w.phone(2, "ben")
	w.happens(1, roof, "running")
	w.happens(1, roof, "waiting", ask, asks)
	for _, d := range []*device{phone, tablet} {
		m := d.next()
		want := Message{Kind: "request", SessionID: roof, RequestID: "r1", Tool: "Bash", Title: "Fix the roof", Body: "Run a command? make roof", URL: "/s/" + roof, Tag: roof, Waiting: 1, CanAnswer: true, Language: "en"}
		if m != want {
			t.Errorf("told %+v, want %+v", m, want)
		}
		h := <-d.header
		if h.Get("Urgency") != "high" || h.Get("TTL") != "86400" || h.Get("Topic") != strings.ReplaceAll(roof, "-", "") || h.Get("Content-Encoding") != "aes128gcm" {
			t.Errorf("headers %v", h)
		}
		w.checkSignature(h.Get("Authorization"))
	}
	// Ben is told of his own, in his turn: nothing of Ana's came before it.
	w.happens(2, roof, "waiting", strings.Replace(ask, "r1", "r9", 1))
	if m := bens.next(); m.RequestID != "r9" {
		t.Errorf("Ben is told %+v", m)
	}
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

func TestARequestIsToldOnce(t *testing.T) {
	w := start(t)
	phone := w.phone(1, "phone")
	w.happens(1, roof, "waiting", ask)
	if m := phone.next(); m.RequestID != "r1" {
		t.Fatalf("told %+v", m)
	}
	w.Stop()
	w.serve() // finds it waiting still
	// The next request is told; the first is not told again, or it would come before.
	w.happens(1, roof, "running", `{"type":"carrel.answer","request_id":"r1","behavior":"allow"}`)
	w.happens(1, roof, "waiting", strings.Replace(ask, "r1", "r2", 1))
	if m := phone.next(); m.RequestID != "r2" {
		t.Errorf("told %+v", m)
	}
}

// Claude asks for two things at once; the second is told when the first is answered, though the session waits all the while.
func TestTheNextOfTwoRequestsIsTold(t *testing.T) {
	w := start(t)
	phone := w.phone(1, "phone")
	w.happens(1, roof, "waiting", ask, strings.Replace(ask, "r1", "r2", 1))
	if m := phone.next(); m.RequestID != "r1" {
		t.Fatalf("told %+v", m)
	}
	w.happens(1, roof, "waiting", `{"type":"system","subtype":"status"}`) // nothing new of requests
	w.idle()
	w.happens(1, roof, "waiting", `{"type":"carrel.answer","request_id":"r1","behavior":"allow"}`)
	if m := phone.next(); m.RequestID != "r2" {
		t.Errorf("told %+v", m)
	}
}

// What another process asked is asked anew.
func TestARequestOfAProcessThatIsGoneIsNotTold(t *testing.T) {
	w := start(t)
	phone := w.phone(1, "phone")
	w.happens(1, roof, "waiting", `{"type":"carrel.prompt","id":"p"}`, ask, `{"type":"carrel.state","state":"dormant"}`, `{"type":"carrel.state","state":"starting"}`, strings.Replace(ask, "r1", "r2", 1))
	if m := phone.next(); m.RequestID != "r2" {
		t.Errorf("told %+v", m)
	}
}

// A person whose device hangs does not keep another's from being told.
func TestASlowDeviceKeepsNobodyElseWaiting(t *testing.T) {
	w := start(t)
	arrived, hang := make(chan struct{}, 1), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		select {
		case arrived <- struct{}{}:
		default:
		}
		<-hang
		rw.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(hang) })
	u, _ := url.Parse(slow.URL)
	w.Stop()
	w.trusted = []string{u.Host}
	w.serve()
	if _, _, err := w.Subscribe(t.Context(), 1, w.services.device(t, "tar").subscription(slow.URL)); err != nil {
		t.Fatal(err)
	}
	bens := w.phone(2, "ben")
	for i := range 2 * atOnce {
		w.happens(1, w.session(1, i), "waiting", ask)
	}
	<-arrived
	w.happens(2, roof, "waiting", strings.Replace(ask, "r1", "r9", 1))
	if m := bens.next(); m.RequestID != "r9" {
		t.Errorf("told %+v", m)
	}
}

func TestWhatWasAnsweredAtOnceIsNotTold(t *testing.T) {
	w := start(t)
	phone := w.phone(1, "phone")
	w.states2(func() { w.Service.states.delay = time.Hour })
	w.happens(1, roof, "waiting", ask)
	w.happens(1, roof, "running", `{"type":"carrel.answer","request_id":"r1","behavior":"allow"}`)
	w.happens(1, roof, "ready", done)
	if m := phone.next(); m.Kind != "finished" {
		t.Errorf("told %+v", m)
	}
}

// states2 changes what the follower reads under its lock.
func (w *world) states2(f func()) {
	w.Service.states.mu.Lock()
	defer w.Service.states.mu.Unlock()
	f()
}

func TestEnds(t *testing.T) {
	prompt := `{"type":"carrel.prompt","id":"p"}`
	for name, c := range map[string]struct {
		lines      []string
		kind, body string
		followed   bool
	}{
		"finished":    {[]string{prompt, done}, "finished", "The roof is tight.", false},
		"seen":        {[]string{prompt, done}, "", "", true},
		"failed":      {[]string{prompt, `{"type":"result","is_error":true,"result":"API Error: 529"}`}, "failed", "It did not finish: API Error: 529", true},
		"given up":    {[]string{prompt, `{"type":"carrel.error","code":"x","detail":"Claude ended again and again."}`}, "failed", "It did not finish: Claude ended again and again.", false},
		"interrupted": {[]string{prompt, `{"type":"result","is_error":true,"terminal_reason":"aborted_streaming"}`}, "", "", false},
		"not begun":   {[]string{done, prompt}, "", "", false},
		"withdrawn":   {[]string{done, prompt, `{"type":"carrel.withdrawn","id":"p"}`}, "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			phone := w.phone(1, "phone")
			w.followed = c.followed
			w.happens(1, roof, "running")
			w.happens(1, roof, "ready", c.lines...)
			if c.kind != "" {
				if m := phone.next(); m.Kind != c.kind || m.Body != c.body || m.CanAnswer {
					t.Errorf("told %+v", m)
				}
				return
			}
			w.idle()
			w.happens(1, roof, "waiting", ask) // what is told next is the first
			if m := phone.next(); m.Kind != "request" {
				t.Errorf("told %+v", m)
			}
		})
	}
}

// idle waits until nothing is due any more.
func (w *world) idle() {
	w.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		w.Service.states.mu.Lock()
		due := 0
		for _, st := range w.Service.states.all {
			if !st.due.IsZero() {
				due++
			}
		}
		w.Service.states.mu.Unlock()
		if due == 0 {
			return
		}
	}
	w.t.Fatal("something stays due")
}

func TestQuestionsPlansAndLanguages(t *testing.T) {
	for language, want := range map[string][2]string{"en": {"Claude asks: Slate or tin?", "Claude has a plan, and waits for your approval."}, "zh-CN": {"Claude 有个问题：Slate or tin?", "Claude 提出了一个计划，等你批准。"}} {
		w := start(t)
		w.language = language
		phone := w.phone(1, "phone")
		w.happens(1, roof, "waiting", `{"type":"control_request","request_id":"q","request":{"subtype":"can_use_tool","tool_name":"AskUserQuestion","input":{"questions":[{"question":"Slate or tin?"}]}}}`)
		if m := phone.next(); m.Body != want[0] || m.CanAnswer {
			t.Errorf("told %+v", m)
		}
		w.happens(1, roof, "running", `{"type":"control_cancel_request","request_id":"q"}`)
		w.happens(1, roof, "waiting", `{"type":"control_request","request_id":"p","request":{"subtype":"can_use_tool","tool_name":"ExitPlanMode","input":{}}}`)
		if m := phone.next(); m.Body != want[1] || m.CanAnswer || m.RequestID != "p" {
			t.Errorf("told %+v", m)
		}
	}
}

func TestQuietHours(t *testing.T) {
	q := func(from, to, zone string) Settings { return Settings{Quiet: &Quiet{from, to, zone}} }
	at := func(s string) time.Time { v, _ := time.Parse(time.RFC3339, s); return v }
	for i, c := range []struct {
		s    Settings
		at   string
		want bool
	}{
		{Settings{}, "2026-12-01T23:00:00Z", false},
		{q("22:00", "07:00", "UTC"), "2026-12-01T22:00:00Z", true},
		{q("22:00", "07:00", "UTC"), "2026-12-01T06:59:59Z", true},
		{q("22:00", "07:00", "UTC"), "2026-12-01T07:00:00Z", false},
		{q("22:00", "07:00", "UTC"), "2026-12-01T21:59:59Z", false},
		{q("22:00", "07:00", "Asia/Shanghai"), "2026-12-01T14:00:00Z", true},
		{q("22:00", "07:00", "Asia/Shanghai"), "2026-12-01T23:00:00Z", false},
		{q("12:00", "14:00", "UTC"), "2026-12-01T13:00:00Z", true},
		{q("12:00", "14:00", "UTC"), "2026-12-01T14:00:00Z", false},
	} {
		if got := c.s.quietAt(at(c.at)); got != c.want {
			t.Errorf("%d: %v at %s: %v", i, c.s.Quiet, c.at, got)
		}
	}
	// In quiet hours a test is told, and nothing else.
	w := start(t)
	phone := w.phone(1, "phone")
	if _, err := w.ChangeSettings(t.Context(), 1, Change{Quiet: &Quiet{"11:00", "13:30", "UTC"}}); err != nil {
		t.Fatal(err)
	}
	w.happens(1, roof, "waiting", ask)
	w.idle()
	if err := w.Test(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if m := phone.next(); m.Kind != "test" {
		t.Errorf("told %+v", m)
	}
}

func TestSettings(t *testing.T) {
	w := start(t)
	yes, no := true, false
	for _, bad := range []Quiet{{"7:00", "08:00", "UTC"}, {"24:00", "08:00", "UTC"}, {"08:00", "08:00", "UTC"}, {"08:00", "09:00", "Mars/Base"}, {"08:00", "09:00", ""}, {"08:00", "09:00", "../etc/passwd"}, {"", "", "UTC"}} {
		if _, err := w.ChangeSettings(t.Context(), 1, Change{Requests: &no, Quiet: &bad}); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if s, err := w.Settings(t.Context(), 1); err != nil || !s.Requests || s.Quiet != nil {
		t.Errorf("changed by what was refused: %+v, %v", s, err)
	}
	if _, err := w.ChangeSettings(t.Context(), 1, Change{Finished: &no, Quiet: &Quiet{"22:00", "07:00", "Asia/Shanghai"}}); err != nil {
		t.Fatal(err)
	}
	if s, err := w.ChangeSettings(t.Context(), 1, Change{Failed: &no, Requests: &yes}); err != nil || s.Finished || s.Failed || !s.Requests || *s.Quiet != (Quiet{"22:00", "07:00", "Asia/Shanghai"}) {
		t.Errorf("got %+v, %v", s, err)
	}
	if s, err := w.ChangeSettings(t.Context(), 1, Change{NoQuiet: true}); err != nil || s.Quiet != nil {
		t.Errorf("got %+v, %v", s, err)
	}
	if s, err := w.Settings(t.Context(), 2); err != nil || !s.Finished {
		t.Errorf("Ben's are %+v, %v", s, err)
	}
}

func TestSubscriptions(t *testing.T) {
	w := start(t)
	d := w.services.device(t, "one")
	n := d.subscription(w.services.URL)
	first, made, err := w.Subscribe(t.Context(), 1, n)
	if err != nil || !made || first.Device != "a phone" {
		t.Fatalf("got %+v, %v, %v", first, made, err)
	}
	if again, made, err := w.Subscribe(t.Context(), 1, n); err != nil || made || again.ID != first.ID {
		t.Errorf("again: %+v, %v, %v", again, made, err)
	}
	// Another person signs in at that browser.
	if bens, made, err := w.Subscribe(t.Context(), 2, n); err != nil || made || bens.ID != first.ID {
		t.Errorf("Ben: %+v, %v, %v", bens, made, err)
	}
	if all, err := w.Subscriptions(t.Context(), 1); err != nil || len(all) != 0 {
		t.Errorf("Ana has %+v, %v", all, err)
	}
	if err := w.Unsubscribe(t.Context(), 1, first.ID); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("Ana ends Ben's: %v", err)
	}
	if err := w.Unsubscribe(t.Context(), 2, first.ID); err != nil {
		t.Error(err)
	}
	for i := range maxSubscriptions {
		w.phone(1, fmt.Sprint("many", i))
	}
	if _, _, err := w.Subscribe(t.Context(), 1, n); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("one too many: %v", err)
	}
	good := n
	for name, bad := range map[string]func(n *NewSubscription){
		"http":      func(n *NewSubscription) { n.Endpoint = "http://push.example.org/x" },
		"file":      func(n *NewSubscription) { n.Endpoint = "file:///etc/passwd" },
		"user":      func(n *NewSubscription) { n.Endpoint = "https://a:b@push.example.org/x" },
		"address":   func(n *NewSubscription) { n.Endpoint = "https://169.254.169.254/latest" },
		"address 6": func(n *NewSubscription) { n.Endpoint = "https://[::1]/x" },
		"no dot":    func(n *NewSubscription) { n.Endpoint = "https://localhost/x" },
		"long":      func(n *NewSubscription) { n.Endpoint = "https://push.example.org/" + strings.Repeat("x", 2000) },
		"key":       func(n *NewSubscription) { n.P256DH = n.Auth },
		"no point":  func(n *NewSubscription) { n.P256DH = base64.RawURLEncoding.EncodeToString(make([]byte, 65)) },
		"secret":    func(n *NewSubscription) { n.Auth = "AAAA" },
	} {
		n := good
		bad(&n)
		if _, _, err := w.Subscribe(t.Context(), 2, n); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A name that leads into a private network is refused when it is dialled, whatever it said before.
func TestNoPrivateNetworks(t *testing.T) {
	s := newSender(nil)
	t.Cleanup(s.close)
	svc := newPushService(t)
	d := svc.device(t, "one")
	n := d.subscription(svc.URL)
	for _, endpoint := range []string{n.Endpoint, strings.Replace(n.Endpoint, "127.0.0.1", "localhost", 1)} {
		sub := subscriptionRow{Endpoint: endpoint, P256DH: n.P256DH, Auth: n.Auth}
		w := start(t)
		k, err := w.key(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if err := s.send(ctx, k, "ops@example.org", sub, Message{}, []byte("{}")); err == nil {
			t.Errorf("%s was dialled", endpoint)
		}
	}
	if svc.times() != 0 {
		t.Errorf("it was asked %d times", svc.times())
	}
}

func TestHowServicesAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		answers []int
		sent    bool
		left    int // subscriptions
		problem string
		asked   int
	}{
		"gone":        {[]int{410}, false, 0, "", 1},
		"not found":   {[]int{404}, false, 0, "", 1},
		"busy, then":  {[]int{503, 429}, true, 1, "", 3},
		"refused":     {[]int{403}, false, 1, "403", 1},
		"busy always": {[]int{500, 500, 500}, false, 1, "500", 3},
		"elsewhere":   {[]int{307}, false, 1, "307", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			phone := w.phone(1, "phone")
			w.services.mu.Lock()
			w.services.answers = c.answers
			w.services.mu.Unlock()
			if err := w.Test(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			if sent := len(phone.told) == 1; sent != c.sent {
				t.Errorf("sent: %v", sent)
			}
			all, err := w.Subscriptions(t.Context(), 1)
			if err != nil || len(all) != c.left || c.left == 1 && (!strings.Contains(all[0].Problem, c.problem) || c.problem == "" && all[0].Problem != "" || (all[0].LastSentAt != nil) != c.sent) {
				t.Errorf("left %+v, %v", all, err)
			}
			if n := w.services.times(); n != c.asked {
				t.Errorf("it was asked %d times, want %d", n, c.asked)
			}
		})
	}
}

func TestNothingForWhoIsOutOfUseOrWantsNone(t *testing.T) {
	w := start(t)
	phone := w.phone(1, "phone")
	no := false
	w.inactive = true
	w.happens(1, roof, "waiting", ask)
	<-w.looked
	w.mu.Lock()
	w.inactive = false
	w.mu.Unlock()
	if _, err := w.ChangeSettings(t.Context(), 1, Change{Requests: &no}); err != nil {
		t.Fatal(err)
	}
	w.happens(1, roof, "running", `{"type":"carrel.answer","request_id":"r1"}`)
	w.happens(1, roof, "waiting", strings.Replace(ask, "r1", "r2", 1))
	w.idle()
	w.happens(1, roof, "running", `{"type":"carrel.answer","request_id":"r2"}`)
	w.happens(1, roof, "ready", done)
	if m := phone.next(); m.Kind != "finished" {
		t.Errorf("told %+v", m)
	}
}

func TestAMessageFits(t *testing.T) {
	long := strings.Repeat("屋", 1000)
	m := asked(account.User{Language: "zh"}, session.Session{ID: roof, Title: long}, request{id: strings.Repeat("r", 100), tool: long, input: json.RawMessage(`{"command":"` + long + `"}`)})
	b, err := json.Marshal(m)
	if err != nil || len(b) > 3900 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if strings.Contains(short("a\u202eb\x07\n c", 10), "\u202e") || short("a\u202eb\x07\n c", 10) != "ab c" {
		t.Errorf("got %q", short("a\u202eb\x07\n c", 10))
	}
}

// What a name leads to inside is told to nobody but the log.
func TestWhatIsToldOfAFailure(t *testing.T) {
	w := start(t)
	n := w.services.device(t, "one").subscription("https://127.0.0.1.nip.example")
	if _, _, err := w.Subscribe(t.Context(), 1, n); err != nil {
		t.Fatal(err)
	}
	w.sender.client.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Addr: &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 443}, Err: errors.New("private")}
	}
	if err := w.Test(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	all, err := w.Subscriptions(t.Context(), 1)
	if err != nil || len(all) != 1 || all[0].Problem != "the push service cannot be reached" {
		t.Errorf("got %+v, %v", all, err)
	}
}

func TestOneTestAtATime(t *testing.T) {
	w := start(t)
	d := w.phone(1, "phone")
	w.testing.Store(int64(1), true)
	if err := w.Test(t.Context(), 1); fault.CodeOf(err) != fault.RateLimited {
		t.Errorf("a second one: %v", err)
	}
	w.testing.Delete(int64(1))
	if err := w.Test(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	d.next()
	if err := w.Forget(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if all, err := w.Subscriptions(t.Context(), 1); err != nil || len(all) != 0 {
		t.Errorf("left %+v, %v", all, err)
	}
}
