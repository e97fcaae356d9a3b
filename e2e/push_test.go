package e2e

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// notification is what a device is told.
type notification struct {
	Kind      string `json:"kind"`
	SessionID string `json:"session_id"`
	RequestID string `json:"request_id"`
	Tool      string `json:"tool"`
	Title     string `json:"title"`
	Body      string `json:"body"`
	URL       string `json:"url"`
	Waiting   int    `json:"waiting"`
	CanAnswer bool   `json:"can_answer"`

	header http.Header
}

// phone is a browser with its keys, and the push service of its maker.
type phone struct {
	t    *testing.T
	key  *ecdh.PrivateKey
	auth []byte
	url  string
	told chan notification
	gone chan struct{} // closed: it wants nothing any more
}

func newPhone(t *testing.T) *phone {
	t.Helper()
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &phone{t: t, key: key, auth: []byte(rand.Text())[:16], told: make(chan notification, 20), gone: make(chan struct{})}
	service := httptest.NewServer(p)
	t.Cleanup(service.Close)
	p.url = service.URL
	return p
}

func (p *phone) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the server is being ended
	}
	select {
	case <-p.gone:
		w.WriteHeader(http.StatusGone)
		return
	default:
	}
	if !strings.HasPrefix(r.Header.Get("Authorization"), "vapid t=") || r.Header.Get("TTL") == "" {
		p.t.Errorf("the headers are %v", r.Header)
	}
	plain, err := p.open(body)
	var n notification
	if err == nil {
		err = json.Unmarshal(plain, &n)
	}
	if err != nil {
		p.t.Errorf("a message cannot be read: %v", err)
	}
	n.header = r.Header.Clone()
	p.told <- n
	w.WriteHeader(http.StatusCreated)
}

// open decrypts a message of one record (RFC 8188, with the keys of RFC 8291).
func (p *phone) open(b []byte) ([]byte, error) {
	if len(b) < 21 || len(b) < 21+int(b[20]) {
		return nil, fmt.Errorf("%d bytes", len(b))
	}
	salt, server, sealed := b[:16], b[21:21+int(b[20])], b[21+int(b[20]):]
	public, err := ecdh.P256().NewPublicKey(server)
	if err != nil {
		return nil, err
	}
	secret, err := p.key.ECDH(public)
	if err != nil {
		return nil, err
	}
	var failed error
	derive := func(secret, salt []byte, info string, n int) []byte {
		k, err := hkdf.Key(sha256.New, secret, salt, info, n)
		if err != nil {
			failed = err
		}
		return k
	}
	ikm := derive(secret, p.auth, "WebPush: info\x00"+string(p.key.PublicKey().Bytes())+string(server), 32)
	cek, nonce := derive(ikm, salt, "Content-Encoding: aes128gcm\x00", 16), derive(ikm, salt, "Content-Encoding: nonce\x00", 12)
	if failed != nil {
		return nil, failed
	}
	block, err := aes.NewCipher(cek)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nonce, sealed, nil)
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(bytes.TrimRight(plain, "\x00"), []byte{2}), nil
}

// next is what the phone is told next: what should not be told would come before what should.
func (p *phone) next(kind string) notification {
	p.t.Helper()
	select {
	case n := <-p.told:
		if n.Kind != kind {
			p.t.Fatalf("the phone is told %+v; want a %q", n, kind)
		}
		return n
	case <-time.After(carrel.Patience):
		p.t.Fatalf("the phone is told of no %q", kind)
	}
	return notification{}
}

func (p *phone) subscription() map[string]any {
	text := base64.RawURLEncoding.EncodeToString
	return map[string]any{"endpoint": p.url + "/send/me", "device": "phone", "keys": map[string]any{"p256dh": text(p.key.PublicKey().Bytes()), "auth": text(p.auth)}}
}

// TestPush has a person who is away told what the real CLI asks, and answer it from there.
func TestPush(t *testing.T) {
	t.Parallel()
	p, bobs := newPhone(t), newPhone(t)
	s := carrel.Start(t, "CARREL_PUSH_TRUSTED_HOSTS="+strings.ReplaceAll(p.url+","+bobs.url, "http://", ""), "CARREL_PUSH_DELAY=100ms", "CARREL_PUSH_FINISHED_AFTER=0s")
	ada := s.Setup("ada")
	var sub struct{ ID string }
	ada.Must(201, "POST", "/me/push", p.subscription(), &sub)
	ada.Must(202, "POST", "/me/push/test", nil, nil)
	p.next("test")

	id := newSession(ada, "demo")
	prompt := func(name, text string) {
		t.Helper()
		ada.Must(202, "POST", "/sessions/"+id+"/prompts", map[string]any{"id": name, "content": text}, nil)
	}
	answer := func(n notification) {
		t.Helper()
		ada.Must(204, "POST", "/sessions/"+id+"/answers", map[string]any{"request_id": n.RequestID, "behavior": "allow"}, nil)
	}

	// What is asked is told, also by the server after this one no second time, and answered with what was told.
	prompt("one", "[write asked.txt from a notification]")
	n := p.next("request")
	if n.SessionID != id || n.Tool != "Write" || n.RequestID == "" || !n.CanAnswer || n.Waiting != 1 || n.URL != "/s/"+id || !strings.Contains(n.Body, "asked.txt") || n.Title == "" {
		t.Errorf("the phone is told %+v", n)
	}
	if h := n.header; h.Get("Urgency") != "high" || h.Get("Topic") != strings.ReplaceAll(id, "-", "") {
		t.Errorf("headers %v", h)
	}
	s.Signal(syscall.SIGTERM)
	s.Serve()
	carrel.Await(t, "the session to wait still", func() error { return stands(ada, id, "waiting") })
	answer(n)
	if n := p.next("finished"); n.SessionID != id || n.CanAnswer || n.Waiting != 0 || n.header.Get("Urgency") != "normal" {
		t.Errorf("the phone is told %+v", n)
	}
	if got := ada.Must(200, "GET", "/files/content?path=projects/demo/asked.txt", nil, nil).Text; got != "from a notification" {
		t.Errorf("the file says %q", got)
	}

	// Of two requests at once each is told, the second when the first is answered.
	prompt("two", "[parallel [agent [bash touch first.txt]] [agent [bash touch second.txt]]]")
	first := p.next("request")
	answer(first)
	second := p.next("request")
	if first.RequestID == second.RequestID || first.Body == second.Body {
		t.Errorf("the phone is told %+v, then %+v", first, second)
	}
	answer(second)
	p.next("finished")

	// A question takes the page.
	prompt("three", "[ask Slate or tin? | Slate | Tin]")
	if n := p.next("request"); n.CanAnswer || n.Tool != "AskUserQuestion" || !strings.Contains(n.Body, "Slate or tin?") {
		t.Errorf("the phone is told %+v", n)
	}
	// Who interrupts a turn knows that it has ended.
	ada.Must(204, "POST", "/sessions/"+id+"/interrupt", nil, nil)
	carrel.Await(t, "the end of the turn", func() error { return stands(ada, id, "ready") })

	// A turn that could not go on is told of.
	prompt("four", "[fail 400 9]")
	if n := p.next("failed"); n.SessionID != id || n.Body == "" {
		t.Errorf("the phone is told %+v", n)
	}

	// An instance that was ended is not started to see what its last turn came to. What Bob is told comes after.
	bob := s.Add(ada, "bob")
	bob.Must(201, "POST", "/me/push", bobs.subscription(), nil)
	theirs := newSession(bob, "demo")
	prompt("five", "[say 5000] [pace 20ms]")
	carrel.Await(t, "a turn", func() error { return stands(ada, id, "running") })
	ada.Must(204, "DELETE", "/instance", nil, nil)
	bob.Must(202, "POST", "/sessions/"+theirs+"/prompts", map[string]any{"id": "one", "content": "[echo hello]"}, nil)
	if n := bobs.next("finished"); n.SessionID != theirs {
		t.Errorf("Bob's phone is told %+v", n)
	}
	ada.Must(404, "GET", "/instance", nil, nil)

	var mine struct {
		Subscriptions []struct {
			LastSentAt *time.Time `json:"last_sent_at"`
		} `json:"subscriptions"`
	}
	if ada.Must(200, "GET", "/me/push", nil, &mine); len(mine.Subscriptions) != 1 || mine.Subscriptions[0].LastSentAt == nil {
		t.Errorf("got %+v", mine)
	}
	close(p.gone)
	ada.Must(202, "POST", "/me/push/test", nil, nil)
	if ada.Must(200, "GET", "/me/push", nil, &mine); len(mine.Subscriptions) != 0 {
		t.Errorf("a browser that is gone is kept: %+v", mine.Subscriptions)
	}
	ada.Must(404, "DELETE", "/me/push/"+sub.ID, nil, nil)
	if m := get(t, s.URL+"/metrics"); !strings.Contains(m, `carrel_push_sent_total{result="sent"}`) || !strings.Contains(m, `carrel_push_sent_total{result="gone"} 1`) {
		t.Error("the metrics do not count what was sent")
	}
}

func stands(p *carrel.Person, id, state string) error {
	var s struct{ State string }
	if p.Must(200, "GET", "/sessions/"+id, nil, &s); s.State != state {
		return fmt.Errorf("it is %s", s.State)
	}
	return nil
}
