package push

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/session"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener")) // ends a moment after Close
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
	w.knowing(func() { w.Service.states.delay = time.Hour })
	w.happens(1, roof, "waiting", ask)
	w.happens(1, roof, "running", `{"type":"carrel.answer","request_id":"r1","behavior":"allow"}`)
	w.happens(1, roof, "ready", done)
	if m := phone.next(); m.Kind != "finished" {
		t.Errorf("told %+v", m)
	}
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

// startQuiet is a world in whose quiet hours Claude has asked for something.
func startQuiet(t *testing.T) (*world, *device) {
	t.Helper()
	w := start(t)
	phone := w.phone(1, "phone")
	if _, err := w.ChangeSettings(t.Context(), 1, Change{Quiet: &Quiet{"11:00", "13:30", "UTC"}}); err != nil {
		t.Fatal(err)
	}
	w.happens(1, roof, "waiting", ask)
	w.idle()
	return w, phone
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
		if got := !c.s.quietUntil(at(c.at)).IsZero(); got != c.want {
			t.Errorf("%d: %v at %s: %v", i, c.s.Quiet, c.at, got)
		}
	}
	// In quiet hours a test is told, and nothing else.
	w, phone := startQuiet(t)
	if err := w.Test(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if m := phone.next(); m.Kind != "test" {
		t.Errorf("told %+v", m)
	}
}

// What was asked in quiet hours and waits still is told when they end, after a restart too. The end of a turn is not.
func TestARequestOfQuietHoursIsToldAfterThem(t *testing.T) {
	w, phone := startQuiet(t)
	answered, turn := w.session(1, 1), w.session(1, 2)
	w.happens(1, answered, "waiting", strings.Replace(ask, "r1", "r2", 1))
	w.happens(1, turn, "running")
	w.happens(1, turn, "ready", done)
	w.idle()
	w.happens(1, answered, "running", `{"type":"carrel.answer","request_id":"r2","behavior":"allow"}`)
	w.Stop()
	w.serve()
	w.idle()
	w.passes(91 * time.Minute)
	if m := phone.next(); m.RequestID != "r1" {
		t.Errorf("told %+v", m)
	}
	w.idle()
	if n := len(phone.told); n != 0 {
		t.Errorf("%d more are told", n)
	}
}

func TestARequestIsToldWhenQuietHoursAreTurnedOff(t *testing.T) {
	w, phone := startQuiet(t)
	if _, err := w.ChangeSettings(t.Context(), 1, Change{NoQuiet: true}); err != nil {
		t.Fatal(err)
	}
	if m := phone.next(); m.RequestID != "r1" {
		t.Errorf("told %+v", m)
	}
}

func TestWhenQuietHoursEnd(t *testing.T) {
	for _, c := range []struct{ from, to, zone, at, want string }{
		{"22:00", "07:00", "UTC", "2026-12-01T06:55:30Z", "2026-12-01T07:00:00Z"},
		{"22:00", "07:00", "Asia/Shanghai", "2026-12-01T14:00:00Z", "2026-12-01T23:00:00Z"},
		{"22:00", "02:30", "Europe/Berlin", "2026-03-29T00:59:00Z", "2026-03-29T01:00:00Z"}, // the clock goes from 2:00 to 3:00
	} {
		at, _ := time.Parse(time.RFC3339, c.at)
		if got := (Settings{Quiet: &Quiet{c.from, c.to, c.zone}}).quietUntil(at).UTC().Format(time.RFC3339); got != c.want {
			t.Errorf("%v: until %s", c, got)
		}
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
