package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/api/problem"
	"github.com/carrel-dev/carrel/internal/api/socket"
	"github.com/carrel-dev/carrel/internal/fault"
)

func (s *Server) registerSocket() {
	s.raw(signedIn, huma.Operation{Method: http.MethodGet, Path: "/ws", Summary: "Any number of sessions (WebSocket)",
		Description: "JSON text messages. From the client: subscribe, unsubscribe, prompt, withdraw, interrupt, answer, set. From the server: hello, event, ack, error, notice. " +
			"It ends with 1001 when the server stops, 4401 when the person is signed out, 4408 when the reader fell behind: reconnect with after.",
		Metadata:   map[string]any{metaSocket: true},
		Parameters: []*huma.Param{langParam},
		Responses:  map[string]*huma.Response{"101": {Description: "Switching to WebSocket."}}},
		func(w http.ResponseWriter, r *http.Request) error {
			if err := wantsSocket(r); err != nil {
				return err
			}
			if p := requestOf(r.Context()).person; p.byCookie {
				s.deps.Warm(p.user.ID) // the page was opened
			}
			return s.serveSocket(func(p socket.Person) error { return s.sockets.ServeSessions(w, r, p) }, r)
		})
}

// langParam is how a page, whose language may be another than its browser's, says it.
var langParam = &huma.Param{Name: "lang", In: "query", Description: "Language of the error messages: en or zh-CN. Without it Accept-Language counts, and then the account's.", Schema: &huma.Schema{Type: "string"}}

// serveSocket serves a connection for the person who asked for it, or begins to.
func (s *Server) serveSocket(serve func(socket.Person) error, r *http.Request) error {
	q := requestOf(r.Context())
	p := q.person
	// A page knows better than its browser what is read here; an account, less well than either.
	reads := problem.Language(r.URL.Query().Get("lang"), r.Header.Get("Accept-Language"), p.user.Language)
	err := serve(socket.Person{User: p.user, Credential: p.secret, Reads: reads, Recheck: func(ctx context.Context) error {
		_, err := s.recognise(ctx, p.secret, p.byCookie, q.client)
		return err
	}})
	if socket.Answered(err) {
		return nil
	}
	return err
}

// wantsSocket refuses a plain request to what is a WebSocket.
func wantsSocket(r *http.Request) error {
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") && r.Method == http.MethodGet {
		return nil
	}
	return fault.New(fault.Invalid, "This is a WebSocket. Connect to it as one, with the header Upgrade: websocket.")
}
