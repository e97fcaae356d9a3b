package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// PublicConfig is what a page needs to know before anyone has signed in.
type PublicConfig struct {
	Version      string   `json:"version" example:"1.0.0" doc:"The server's version."`
	NeedsSetup   bool     `json:"needs_setup" doc:"There is no account yet: POST /setup makes the first."`
	Registration string   `json:"registration" enum:"closed,invite,open" doc:"Who may register."`
	Languages    []string `json:"languages" example:"[\"en\",\"zh-CN\"]" doc:"The languages there are."`
	Scripted     bool     `json:"scripted" doc:"There is no credential for a model: answers are canned and come from the scripted model."`
	SignedIn     bool     `json:"signed_in" doc:"Whether who asks this is signed in. GET /me tells as whom, and refuses everybody else."`
}

func (s *Server) registerConfig() {
	route(s, anyone, huma.Operation{Method: http.MethodGet, Path: "/config", Summary: "What anyone may know of this server", Middlewares: huma.Middlewares{s.recogniseAnyone}},
		func(ctx context.Context, _ *nothing) (*body[PublicConfig], error) {
			needs, err := s.deps.Accounts.NeedsSetup(ctx)
			if err != nil {
				return nil, err
			}
			return &body[PublicConfig]{Body: PublicConfig{
				Version: s.deps.Version, NeedsSetup: needs, Registration: s.deps.Registration,
				Languages: s.deps.Languages, Scripted: s.deps.Scripted,
				SignedIn: requestOf(ctx).person != nil,
			}}, nil
		})
	s.raw(anyone, huma.Operation{Method: http.MethodGet, Path: "/openapi.json", Summary: "This contract, as OpenAPI 3.1", Tags: []string{"config"},
		Responses: map[string]*huma.Response{"200": {Description: "OpenAPI 3.1.", Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: "object", AdditionalProperties: true}}}}}},
		func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-cache")
			_, _ = w.Write(s.openapi) // the client may be gone
			return nil
		})
}
