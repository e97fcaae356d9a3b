// Package api is the public contract over HTTP and WebSocket: it decodes,
// authorises, calls and encodes, and decides nothing else. What a route does
// is done by the packages behind the interfaces in deps.go.
package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/api/socket"
)

// Base is where the contract begins.
const Base = "/api/v1"

// Server answers every request of the one public listener.
type Server struct {
	deps    Deps
	mux     *http.ServeMux
	api     huma.API
	sockets *socket.Hub
	handler http.Handler
	openapi []byte // the contract as JSON

	refusals refusals // of sign-ins
}

// New returns a server that is ready to serve. Close ends it.
func New(deps Deps) *Server {
	s := &Server{deps: deps.withDefaults(), mux: http.NewServeMux()}
	s.sockets = socket.NewHub(socket.Config{
		Sessions: s.deps.Sessions,
		Terminal: s.deps.Desk,
		Log:      s.deps.Log,
		Version:  s.deps.Version,
		Times:    s.deps.Patience,
	})
	s.api = newHuma(compressing{s.mux}, s.deps.Version)
	s.register()
	if err := s.document(); err != nil {
		panic(err) // the description is the program's own; a test sees it first
	}
	s.handler = s.wrap(http.HandlerFunc(s.dispatch))
	return s
}

// register lists all that there is.
func (s *Server) register() {
	s.registerHealth()
	s.registerConfig()
	s.registerAuth()
	s.registerMe()
	s.registerTokens()
	s.registerSignIns()
	s.registerUsers()
	s.registerInvitations()
	s.registerAudit()
	s.registerInstance()
	s.registerInstances()
	s.registerServer()
	s.registerProjects()
	s.registerSessions()
	s.registerTurns()
	s.registerExport()
	s.registerSearch()
	s.registerFiles()
	s.registerCommands()
	s.registerTerminals()
	s.registerSnapshots()
	s.registerPush()
	s.registerSocket()
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Clients counts the open WebSockets.
func (s *Server) Clients() int { return s.sockets.Count() }

// Close ends every WebSocket and waits for them, at most until ctx ends. The
// owner of the listener has stopped taking requests before.
func (s *Server) Close(ctx context.Context) error { return s.sockets.Close(ctx) }

// dispatch gives a path to the contract's routes or to the page. The page has
// no pattern of its own: "/" would swallow every 404 and 405 of the contract.
func (s *Server) dispatch(w http.ResponseWriter, r *http.Request) {
	if !ours(r.URL.Path) {
		s.deps.Web.ServeHTTP(w, r)
		return
	}
	if _, pattern := s.mux.Handler(r); pattern == "" {
		s.unknown(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// ours tells whether a path belongs to the contract and not to the page.
func ours(path string) bool {
	switch path {
	case "/api", "/healthz", "/readyz", "/metrics":
		return true
	}
	return strings.HasPrefix(path, "/api/")
}
