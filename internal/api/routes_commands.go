package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

const (
	maxCommandS       = 3600
	maxCommandBody    = 16 << 20
	maxCommandTimeout = maxCommandS*time.Second + callTimeout
)

type commandInput struct {
	Body struct {
		Argv     []string          `json:"argv" minItems:"1" maxItems:"1000" example:"[\"git\",\"status\"]" doc:"The program and its arguments; no shell reads them."`
		Project  string            `json:"project,omitempty" maxLength:"255" example:"thesis" doc:"Project to run in; the home, if left out."`
		Env      map[string]string `json:"env,omitempty" doc:"Added to the environment."`
		TimeoutS float64           `json:"timeout_s,omitempty" minimum:"0" maximum:"3600" default:"60" doc:"When to end it; exit_code is 124 then."`
		Stdin    string            `json:"stdin,omitempty" doc:"What it reads."`
	} `nameHint:"Command"`
}

func (s *Server) registerCommands() {
	route(s, signedIn, huma.Operation{Method: http.MethodPost, Path: "/commands", Summary: "Run a command inside the own instance",
		Description:  "The answer of a command that ran, however it ended, is 200. Giving up the request ends the command.",
		MaxBodyBytes: maxCommandBody, Metadata: map[string]any{metaTimeout: maxCommandTimeout}},
		func(ctx context.Context, in *commandInput) (*body[protocol.CommandResponse], error) {
			b := in.Body
			out, err := s.deps.Desk.Command(ctx, caller(ctx).ID, &protocol.CommandRequest{
				Argv: b.Argv, Project: b.Project, Env: b.Env, TimeoutS: b.TimeoutS, Stdin: b.Stdin,
			})
			if err != nil {
				return nil, err
			}
			return &body[protocol.CommandResponse]{Body: *out}, nil
		})
}
