// Package api is the public contract over HTTP and WebSocket: it decodes,
// authorises, calls and encodes, and decides nothing else. What a route does
// is done by the packages behind the interfaces in deps.go.
package api

import (
	"context"
	"net/http"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/api/allowance"
	"github.com/carrel-dev/carrel/internal/api/socket"
	"github.com/carrel-dev/carrel/internal/fault"
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

	allowances *allowance.Users // for bodies, messages, and pages of events
	refusals   refusals         // of sign-ins
}

// maxHeld is how much memory all that one user sends and fetches may take at a time: some of the largest messages.
const maxHeld = 64 << 20

// New returns a server that is ready to serve. Close ends it.
func New(deps Deps) *Server {
	s := &Server{deps: deps.withDefaults(), mux: http.NewServeMux(), allowances: allowance.NewUsers(maxHeld)}
	s.sockets = socket.NewHub(socket.Config{
		Sessions: s.deps.Sessions,
		Terminal: s.deps.Desk,
		Log:      s.deps.Log,
		Version:  s.deps.Version,
		Sent:     s.allowances,
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
	asked := r.URL.EscapedPath()
	clean := cleanPath(asked)
	if !ours(r.URL.Path) && !ours(clean) {
		s.deps.Web.ServeHTTP(w, r)
		return
	}
	if clean != asked || !isText(r.URL.Path) { // the mux would answer //api with a page that says where to go
		s.fail(w, r, errNoPath())
		return
	}
	if err := checkQuery(r.URL.RawQuery); err != nil {
		s.fail(w, r, err)
		return
	}
	r = withLoneSlash(r)
	if _, pattern := s.mux.Handler(r); pattern == "" {
		s.unknown(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// isText tells whether what a path or a query says is text that a database and a file system take.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// checkQuery refuses what is no text for every route, so that none has to think of it.
func checkQuery(raw string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return fault.InvalidField("query", "The query is not name=value&… with percent-encoding.")
	}
	for name, values := range query {
		if !isText(name) {
			return fault.InvalidField("query", "A name in the query is not UTF-8, or holds a zero byte.")
		}
		if !isText(strings.Join(values, "")) {
			return fault.InvalidField("query."+name, "This is not UTF-8, or holds a zero byte.")
		}
	}
	return nil
}

// cleanPath is a path without //, . and .., as the mux would have it.
func cleanPath(p string) string {
	clean := path.Clean("/" + p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

// ours tells whether a path belongs to the contract and not to the page.
func ours(p string) bool {
	switch p {
	case "/api", "/healthz", "/readyz", "/metrics":
		return true
	}
	return strings.HasPrefix(p, "/api/")
}
