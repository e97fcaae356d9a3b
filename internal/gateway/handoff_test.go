package gateway

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func dumpable() int {
	n, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		return -1
	}
	return n
}

// A client that connects while no gateway runs waits in the backlog of the
// keeper's socket, and the next gateway answers it.
func TestClientsWaitForTheNextGateway(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "answered") })
	h := setup(t, up, testKey)
	h.stop()
	const clients = 5
	type answer struct {
		body string
		err  error
	}
	answers := make(chan answer, clients)
	for range clients {
		c, err := net.Dial("unix", h.path) // connected, although nobody accepts
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(c, "POST /v1/messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
			t.Fatal(err)
		}
		go func() {
			b, err := io.ReadAll(c)
			_ = c.Close()
			answers <- answer{string(b), err}
		}()
	}
	h.start(t)
	for range clients {
		if a := <-answers; a.err != nil || !strings.HasPrefix(a.body, "HTTP/1.1 200") || !strings.Contains(a.body, "answered") {
			t.Errorf("got %q, %v", a.body, a.err)
		}
	}
	if r := h.record(t, clients); r.UserID != 7 {
		t.Errorf("recorded %+v", r)
	}
}

func TestOrders(t *testing.T) {
	h := setup(t, "", "")
	k := h.handoff(t)
	ids := func() []string {
		st, err := h.client.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return st.Instances
	}
	dir := t.TempDir()
	const second = "i-bcdefghijklm"
	messages, egress := listening(t, filepath.Join(dir, "a")), listening(t, filepath.Join(dir, "b"))
	if err := k.Add(t.Context(), second, 8, messages, egress); err != nil {
		t.Fatal(err)
	}
	if got := ids(); !slices.Equal(got, []string{testInstance, second}) {
		t.Fatalf("got %v", got)
	}
	plain, err := os.Create(filepath.Join(dir, "plain"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = plain.Close() }()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcpFile, err := tcp.(*net.TCPListener).File()
	_ = tcp.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tcpFile.Close() }()
	before := descriptors(t)
	for name, err := range map[string]error{
		"a file":                   k.Add(t.Context(), second, 8, plain, egress),
		"a file too":               k.Add(t.Context(), second, 8, messages, plain),
		"tcp":                      k.Add(t.Context(), second, 8, tcpFile, egress),
		"no id":                    k.Add(t.Context(), "../x", 8, messages, egress),
		"no user":                  k.Add(t.Context(), second, 0, messages, egress),
		"no order":                 k.ask(t.Context(), order{Op: "format"}),
		"one missing":              k.ask(t.Context(), order{Op: "add", InstanceID: second, UserID: 8}, messages),
		"one too many with remove": k.ask(t.Context(), order{Op: "remove", InstanceID: second}, messages),
	} {
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	gone := listening(t, filepath.Join(dir, "gone"))
	_ = gone.Close()
	if err := k.Add(t.Context(), second, 8, messages, gone); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a closed file: got %v", err)
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors were left open", after-before)
	}
	if err := k.Remove(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if err := k.Remove(t.Context(), second); err != nil {
		t.Fatalf("twice: %v", err)
	}
	// What was added outlives the keeper's connection.
	_ = k.Close()
	<-k.Done()
	if got := ids(); !slices.Equal(got, []string{testInstance}) {
		t.Fatalf("got %v", got)
	}
	k = h.handoff(t)
	if err := k.Sync(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := ids(); len(got) != 0 {
		t.Fatalf("got %v after a sync that names none", got)
	}
	h.stop()
	select {
	case <-k.Done():
	case <-time.After(patience):
		t.Fatal("the keeper is not told that the gateway went")
	}
	if err := k.Sync(t.Context(), nil); err == nil {
		t.Fatal("an order was answered by nobody")
	}
	_ = k.Close()
}

func descriptors(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// The same instance id with another user is another instance: its requests are
// that user's.
func TestUserOfAnInstanceChanges(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	h := setup(t, up, testKey)
	k := h.handoff(t)
	defer func() { _ = k.Close() }()
	if err := k.Add(t.Context(), testInstance, 9, h.sockets[0], h.sockets[1]); err != nil {
		t.Fatal(err)
	}
	h.ask(t, prompt(t, false))
	if r := h.record(t, 1); r.UserID != 9 {
		t.Fatalf("recorded %+v", r)
	}
}

func TestRemoveCutsRequests(t *testing.T) {
	arrived := make(chan struct{})
	up := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-r.Context().Done()
	})
	h := setup(t, up, testKey)
	ended := make(chan error)
	r := prompt(t, false)
	go func() { _, err := h.http(t).Do(r); ended <- err }()
	<-arrived
	k := h.handoff(t)
	defer func() { _ = k.Close() }()
	if err := k.Remove(t.Context(), testInstance); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Fatal("the request of an instance that is gone was answered")
	}
}

func FuzzOrder(f *testing.F) {
	for _, s := range []string{`{"op":"sync","instance_ids":["i-abcdefghijkl"]}`, `{"op":"add"}`, `{"op":"remove","instance_id":"i-abcdefghijkl"}`, `{}`, `[`} {
		f.Add(s)
	}
	g := &gateway{log: quiet}
	g.instances = &instances{gateway: g, byID: map[string]*instance{}}
	o := &orders{gateway: g}
	f.Fuzz(func(t *testing.T, s string) {
		if err := o.obey([]byte(s), nil); err == nil && !strings.Contains(strings.ToLower(s), "op") {
			t.Fatalf("%q was obeyed", s)
		}
	})
}
