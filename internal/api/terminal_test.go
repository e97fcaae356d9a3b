package api

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

func TestTerminal(t *testing.T) {
	r := newRig(t)
	if p := r.do(call{method: "POST", path: "/terminals", as: "ana", body: `{}`}); p.status != 201 || !strings.Contains(p.body, "80x24") {
		t.Fatalf("open: got %d %s; want a window of the usual size", p.status, p.body)
	}
	token := http.Header{"Authorization": {"Bearer " + r.tokens["ana"]}}
	c := r.connect("/terminals/t-1", token)
	read := func() (websocket.MessageType, string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), readTimeout)
		defer cancel()
		typ, b, err := c.ws.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return typ, string(b)
	}
	if typ, s := read(); typ != websocket.MessageText || s != `{"type":"attached","from":0,"to":11,"cols":80,"rows":24,"modes":"\u001b[?25l"}` {
		t.Fatalf("got %v %q; want what follows first", typ, s)
	}
	if typ, s := read(); typ != websocket.MessageBinary || s != "scrollback\n" {
		t.Fatalf("got %v %q; want the scrollback", typ, s)
	}
	write := func(typ websocket.MessageType, s string) {
		t.Helper()
		if err := c.ws.Write(t.Context(), typ, []byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	write(websocket.MessageBinary, "ls\n")
	if typ, s := read(); typ != websocket.MessageBinary || s != "ls\n" {
		t.Errorf("got %v %q; want what was typed", typ, s)
	}
	write(websocket.MessageText, `{"type":"resize","cols":120,"rows":40}`)
	if typ, s := read(); typ != websocket.MessageText || s != `{"type":"size","cols":120,"rows":40}` {
		t.Errorf("got %v %q; want the new size", typ, s)
	}
	write(websocket.MessageText, `{"type":"ping"}`)
	if typ, s := read(); typ != websocket.MessageText || s != `{"type":"pong"}` {
		t.Errorf("got %v %q; want a pong", typ, s)
	}
	for _, bad := range []string{`{`, `{"type":"reboot"}`, `{"type":"resize","cols":0,"rows":1}`, `{"type":"resize","cols":99999,"rows":1}`} {
		write(websocket.MessageText, bad)
		if typ, s := read(); typ != websocket.MessageText || !strings.Contains(s, `"code":"invalid"`) {
			t.Errorf("%s: got %v %q; want an error", bad, typ, s)
		}
	}
	write(websocket.MessageBinary, strings.Repeat("x", 2<<20))
	if typ, s := read(); typ != websocket.MessageText || !strings.Contains(s, `"code":"too_large"`) {
		t.Errorf("got %v %.100q; want too_large", typ, s)
	}
	write(websocket.MessageBinary, "exit")
	if typ, s := read(); typ != websocket.MessageText || s != `{"type":"exit","exit_code":3}` {
		t.Errorf("got %v %q; want how it ended", typ, s)
	}
	if ce := c.ends(); ce.Code != websocket.StatusNormalClosure {
		t.Errorf("got the end %v; want 1000", ce)
	}
	r.desk.mu.Lock()
	defer r.desk.mu.Unlock()
	if len(r.desk.resize) != 1 || r.desk.resize[0] != "120x40" {
		t.Errorf("got the sizes %v; want the good one", r.desk.resize)
	}
}

// Who says how much they have gets the rest alone.
func TestTerminalGoesOn(t *testing.T) {
	r := newRig(t)
	r.do(call{method: "POST", path: "/terminals", as: "ana", body: `{}`})
	c := r.connect("/terminals/t-1?after=6", http.Header{"Authorization": {"Bearer " + r.tokens["ana"]}})
	var got []string
	for range 2 {
		_, b, err := c.ws.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(b))
	}
	if !strings.Contains(got[0], `"from":6`) || got[1] != "back\n" {
		t.Errorf("got %q; want what comes after the sixth byte", got)
	}
	for _, bad := range []string{"-1", "x", "1.5"} {
		p := r.do(call{method: "GET", path: "/terminals/t-1?after=" + bad, as: "ana", header: map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}})
		if p.status != 422 && p.status != 400 {
			t.Errorf("after=%s: got %d %s", bad, p.status, p.body)
		}
	}
}

func TestTerminalOfSomebodyElse(t *testing.T) {
	r := newRig(t)
	r.do(call{method: "POST", path: "/terminals", as: "ana", body: `{}`})
	upgrade := map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
	foreign := r.do(call{method: "GET", path: "/terminals/t-1", as: "bob", header: upgrade})
	missing := r.do(call{method: "GET", path: "/terminals/t-9", as: "bob", header: upgrade})
	if foreign.status != 404 || foreign.body != missing.body {
		t.Errorf("got %d %s and %d %s; want the same 404", foreign.status, foreign.body, missing.status, missing.body)
	}
}

func TestTerminalEndsWithTheServer(t *testing.T) {
	r := newRig(t)
	r.do(call{method: "POST", path: "/terminals", as: "ana", body: `{}`})
	c := r.connect("/terminals/t-1", http.Header{"Authorization": {"Bearer " + r.tokens["ana"]}})
	go func() { _ = r.server.Close(context.Background()) }()
	for {
		_, _, err := c.ws.Read(t.Context())
		if err == nil {
			continue
		}
		if websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("got %v; want 1001", err)
		}
		return
	}
}
