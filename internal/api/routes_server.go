package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/fault/words"
	"github.com/carrel-dev/carrel/internal/history"
)

// ServerHealth is the answer of GET /server.
type ServerHealth struct {
	Version       string           `json:"version" example:"1.2.3" doc:"Of Carrel."`
	StartedAt     time.Time        `json:"started_at" doc:"When the server process began."`
	UptimeSeconds int64            `json:"uptime_seconds" example:"86400" doc:"How long ago that is."`
	Status        string           `json:"status" enum:"ok,unavailable" doc:"Whether it can serve, as /readyz has it."`
	Checks        []ReadinessCheck `json:"checks" doc:"Each check with its state, what was found and what mends it."`
	Troubled      []Troubled       `json:"troubled" doc:"Instances that are degraded or unhealthy, by user."`
	Counts        ServerCounts     `json:"counts" doc:"How many there are now."`
}

// Troubled is an instance that is not well.
type Troubled struct {
	UserID int64  `json:"user_id" example:"7" doc:"Whose it is."`
	Status string `json:"status" enum:"degraded,unhealthy" doc:"Whether it works and lacks something, or does not answer."`
	Detail string `json:"detail" doc:"What is wrong, in words."`
}

// ServerCounts counts what there is now.
type ServerCounts struct {
	Instances map[string]int `json:"instances" doc:"Instances by status."`
	Processes map[string]int `json:"processes" doc:"Processes of people, by kind."`
	Clients   int            `json:"clients" example:"12" doc:"Open WebSockets."`
}

type (
	rangeInput struct {
		Range string `query:"range" default:"1h" enum:"1h,12h,7d" doc:"How far back."`
	}
	instanceRangeInput struct {
		UserID int64  `path:"user_id" minimum:"1" doc:"Id of the user whose figures they are."`
		Range  string `query:"range" default:"1h" enum:"1h,12h,7d" doc:"How far back."`
	}
)

func (s *Server) registerServer() {
	route(s, adminsOnly, huma.Operation{Method: http.MethodGet, Path: "/server", Summary: "How the server is"},
		func(ctx context.Context, _ *nothing) (*body[ServerHealth], error) {
			return &body[ServerHealth]{Body: s.health(ctx)}, nil
		})
	const text = "With the usual step: 1h in steps of 15 seconds, 12h of 2 minutes, 7d of 15 minutes."
	route(s, adminsOnly, huma.Operation{Method: http.MethodGet, Path: "/server/history", Summary: "The server's figures over time", Description: text},
		func(_ context.Context, in *rangeInput) (*body[history.Figures], error) {
			if s.deps.History == nil {
				return nil, errNoHistory()
			}
			return &body[history.Figures]{Body: s.deps.History.Server(in.Range)}, nil
		})
	route(s, adminsOnly, huma.Operation{Method: http.MethodGet, Path: "/instances/{user_id}/history", Summary: "A user's figures over time", Description: text},
		func(ctx context.Context, in *instanceRangeInput) (*body[history.Figures], error) {
			if _, err := s.deps.Accounts.User(ctx, in.UserID); err != nil {
				return nil, err
			}
			return s.historyOf(in.UserID, in.Range)
		})
	route(s, adminsOnly, huma.Operation{Method: http.MethodGet, Path: "/instances/history", Summary: "Everybody's last hour, for a glance", Description: "cpu and memory_bytes of each user of whom something was measured; with the usual step 30 values of 2 minutes."},
		func(_ context.Context, _ *nothing) (*body[history.Recent], error) {
			if s.deps.History == nil {
				return nil, errNoHistory()
			}
			return &body[history.Recent]{Body: s.deps.History.Recent("cpu", "memory_bytes")}, nil
		})
	route(s, signedIn, huma.Operation{Method: http.MethodGet, Path: "/instance/history", Summary: "The own figures over time", Description: text},
		func(ctx context.Context, in *rangeInput) (*body[history.Figures], error) {
			return s.historyOf(caller(ctx).ID, in.Range)
		})
}

func (s *Server) historyOf(userID int64, span string) (*body[history.Figures], error) {
	if s.deps.History == nil {
		return nil, errNoHistory()
	}
	return &body[history.Figures]{Body: s.deps.History.User(userID, span)}, nil
}

func errNoHistory() error { return fault.New(fault.NotFound, "This server keeps no figures.") }

func (s *Server) health(ctx context.Context) ServerHealth {
	ready := s.readiness(ctx)
	h := ServerHealth{
		Version: s.deps.Version, StartedAt: s.deps.Started, UptimeSeconds: int64(time.Since(s.deps.Started).Seconds()),
		Status: ready.Status, Checks: ready.Checks, Troubled: []Troubled{},
		Counts: ServerCounts{Instances: map[string]int{}, Processes: map[string]int{}, Clients: s.Clients()},
	}
	l := requestOf(ctx).reads
	for i, c := range h.Checks {
		h.Checks[i].Detail, h.Checks[i].Remedy = words.Found(l, c.Detail), words.Found(l, c.Remedy)
	}
	for _, st := range s.deps.Instances.All(ctx) {
		h.Counts.Instances[st.Status]++
		for _, p := range st.Processes {
			h.Counts.Processes[p.Kind]++
		}
		if st.Health.Status == "degraded" || st.Health.Status == "unhealthy" {
			h.Troubled = append(h.Troubled, Troubled{st.UserID, st.Health.Status, words.Found(l, st.Health.Detail)})
		}
	}
	return h
}
