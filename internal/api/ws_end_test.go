package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/carrel-dev/carrel/internal/account"
)

func TestSlowReaderIsLetGo(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, sid(1))
	slow, quick := r.dial("ana"), r.dial("ana")
	slow.send(`{"type":"subscribe","session_id":%q}`, sid(1))
	quick.send(`{"type":"subscribe","session_id":%q}`, sid(1))
	// More than the queue and the socket's buffers hold; slow reads none of it.
	const n = 300
	began := time.Now()
	r.sessions.emit(sid(1), n, 100_000)
	quick.events(0, n)
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the other reader took %v: it was held up", took)
	}
	eventually(t, "the slow reader's end", func() (bool, string) {
		n := r.server.sockets.Count()
		return n == 1, fmt.Sprint(n, " connections")
	})
	again := r.dial("ana")
	again.send(`{"type":"subscribe","session_id":%q,"after":%d}`, sid(1), n-50)
	again.events(n-50, 50)
}

func TestSlowReaderLearnsWhy(t *testing.T) {
	r := newRig(t, func(d *Deps) { d.Patience.Grace = 5 * time.Second })
	r.sessions.make(r.users["ana"].ID, sid(1))
	c := r.dial("ana")
	c.send(`{"type":"subscribe","session_id":%q}`, sid(1))
	r.sessions.emit(sid(1), 300, 100_000)
	// It reads nothing until it has been given up, and then what there is.
	eventually(t, "to be given up", func() (bool, string) {
		l := r.logText()
		return strings.Contains(l, "slow_consumer"), l[max(0, len(l)-300):]
	})
	ce := c.ends()
	if ce.Code != 4408 || !strings.Contains(ce.Reason, "reconnect with after") {
		t.Errorf("got the end %v; want 4408 and what to do", ce)
	}
}

func TestSilentPeerIsLetGo(t *testing.T) {
	r := newRig(t, func(d *Deps) { d.Patience.Ping = 200 * time.Millisecond })
	r.dial("ana") // which reads nothing any more, and so answers no ping
	eventually(t, "the silent peer's end", func() (bool, string) {
		n := r.server.sockets.Count()
		return n == 0, fmt.Sprint(n, " connections")
	})
	c := r.dial("ana")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, _, err := c.ws.Read(ctx); !errors.Is(err, context.DeadlineExceeded) { // it answers pings meanwhile
		t.Errorf("got %v; want a peer that answers pings to stay", err)
	}
}

func TestSignedOutIsLetGo(t *testing.T) {
	r := newRig(t)
	for name, end := range map[string]func(cookie string) error{
		"logout": func(cookie string) error {
			r.do(call{method: "POST", path: "/auth/logout", cookie: cookie, origin: "own"})
			return nil
		},
		"elsewhere": func(cookie string) error { return r.accounts.Logout(t.Context(), cookie) }, // by the command line, say
		"deactivated": func(string) error {
			off := false
			_, err := r.accounts.Change(t.Context(), r.users["bob"].ID, account.UserChange{Active: &off})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			on := true
			if _, err := r.accounts.Change(t.Context(), r.users["bob"].ID, account.UserChange{Active: &on}); err != nil {
				t.Fatal(err)
			}
			cookie, other := r.signIn("bob"), r.dial("ana")
			c := r.connect("/ws", http.Header{"Cookie": {CookieName + "=" + cookie}, "Origin": {r.http.URL}})
			c.next()
			if err := end(cookie); err != nil {
				t.Fatal(err)
			}
			if ce := c.ends(); ce.Code != 4401 {
				t.Errorf("got the end %v; want 4401", ce)
			}
			r.sessions.make(r.users["ana"].ID, sid(1))
			other.send(`{"type":"prompt","session_id":%q,"id":"p","content":"x"}`, sid(1))
			if f := other.next(); f.Type != "ack" {
				t.Errorf("somebody else got %+v", f)
			}
		})
	}
}

func TestShutdownClosesConnections(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, sid(1))
	gate := make(chan struct{})
	defer close(gate)
	r.sessions.gates[sid(1)] = gate
	c := r.dial("ana")
	c.send(`{"type":"subscribe","session_id":%q}`, sid(1))
	c.send(`{"type":"prompt","session_id":%q,"id":"p","content":"x"}`, sid(1)) // a call that hangs
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		done <- r.server.Close(ctx)
	}()
	if ce := c.ends(); ce.Code != websocket.StatusGoingAway || ce.Reason == "" {
		t.Errorf("got the end %v; want 1001 and a reason", ce)
	}
	if err := <-done; err != nil {
		t.Errorf("close: %v", err)
	}
	if p := r.do(call{method: "GET", path: "/ws", as: "ana", header: map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
	}}); p.status != 503 {
		t.Errorf("a connection to a server that stops: got %d; want 503", p.status)
	}
}
