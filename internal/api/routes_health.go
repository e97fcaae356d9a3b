package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/fault"
)

// Readiness is the answer of GET /healthz and /readyz.
type Readiness struct {
	Status string           `json:"status" enum:"ok,unavailable" doc:"Whether the server is alive, or able to serve."`
	Checks []ReadinessCheck `json:"checks" doc:"Each check with its state; none for /healthz."`
}

// ReadinessCheck is one thing that must be there for the server to serve.
type ReadinessCheck struct {
	Name   string `json:"name" example:"store" doc:"What was checked."`
	State  string `json:"state" enum:"ok,warn,fail" doc:"What was found. One that fails makes the server not ready."`
	Detail string `json:"detail,omitempty" doc:"What was found, in words. Only for administrators and on the server's own machine."`
	Remedy string `json:"remedy,omitempty" doc:"What mends it. Only for administrators and on the server's own machine."`
}

// registerHealth serves what probes ask, under Base and at the root, where they look for it.
func (s *Server) registerHealth() {
	for _, o := range []struct {
		op     huma.Operation
		handle func(http.ResponseWriter, *http.Request) error
	}{
		{huma.Operation{Method: http.MethodGet, Path: "/healthz", Summary: "Is the server alive",
			Responses: s.answers(http.StatusOK, "Alive.", Readiness{})}, s.healthz},
		{huma.Operation{Method: http.MethodGet, Path: "/readyz", Summary: "Can the server serve",
			Responses: s.answers(http.StatusOK, "Ready.", Readiness{}, http.StatusServiceUnavailable, "Not ready: a check failed.", Readiness{})}, s.readyz},
		{huma.Operation{Method: http.MethodGet, Path: "/metrics", Summary: "Metrics for Prometheus",
			Description: "Only from the server's own machine, or with an administrator's token.",
			Responses:   map[string]*huma.Response{"200": {Description: "Prometheus text.", Content: map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: "string"}}}}}}, s.metrics},
	} {
		o.op.Tags = []string{"health"}
		s.raw(anyone, o.op, o.handle)
		s.mux.HandleFunc(o.op.Method+" "+o.op.Path, s.rawHandler(anyone, false, o.handle))
	}
}

func (s *Server) healthz(w http.ResponseWriter, r *http.Request) error {
	return writeJSON(w, http.StatusOK, Readiness{Status: "ok", Checks: []ReadinessCheck{}})
}

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	h, status := s.readiness(r.Context()), http.StatusOK
	if h.Status != "ok" {
		status = http.StatusServiceUnavailable
	}
	if s.insider(r) != nil { // details name paths of the host
		for i := range h.Checks {
			h.Checks[i].Detail, h.Checks[i].Remedy = "", ""
		}
	}
	return writeJSON(w, status, h)
}

func (s *Server) readiness(ctx context.Context) Readiness {
	h := Readiness{Status: "ok", Checks: []ReadinessCheck{}}
	if s.deps.Ready == nil {
		return h
	}
	for _, f := range s.deps.Ready(ctx) {
		if f.State == "fail" {
			h.Status = "unavailable"
		}
		h.Checks = append(h.Checks, ReadinessCheck{Name: f.Name, State: f.State, Detail: f.Detail, Remedy: f.Remedy})
	}
	return h
}

func (s *Server) metrics(w http.ResponseWriter, r *http.Request) error {
	if err := s.insider(r); err != nil {
		return err
	}
	if s.deps.Metrics == nil {
		return fault.New(fault.NotFound, "This server keeps no metrics.")
	}
	w.Header().Del("Cache-Control")
	s.deps.Metrics.ServeHTTP(w, r)
	return nil
}

// insider is nil for whoever may see what concerns the machine: somebody on
// it, or an administrator.
func (s *Server) insider(r *http.Request) error {
	if local(r) {
		return nil
	}
	return s.check(r, adminsOnly, false)
}
