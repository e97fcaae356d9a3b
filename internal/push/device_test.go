package push

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

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
