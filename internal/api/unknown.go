package api

import (
	"net/http"

	"github.com/carrel-dev/carrel/internal/fault"
)

// unknown answers what no route takes: a 404, or a 405 that says which methods
// there are. Only the mux knows which, and it says so in plain text.
func (s *Server) unknown(w http.ResponseWriter, r *http.Request) {
	probe := probe{header: http.Header{}}
	h, _ := s.mux.Handler(r)
	h.ServeHTTP(&probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", probe.header.Get("Allow"))
		s.fail(w, r, fault.New(fault.MethodNotAllowed, "This path does not take %s, but %s.", r.Method, probe.header.Get("Allow")))
		return
	}
	s.fail(w, r, errNoPath())
}

func errNoPath() error {
	return fault.New(fault.NotFound, "There is no such path. The list is at %s/openapi.json.", Base)
}

// probe keeps the status and headers of an answer and nothing else.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header         { return p.header }
func (p *probe) WriteHeader(status int)      { p.status = status }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
