package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/session"
)

type (
	sessionIDInput struct {
		ID string `path:"id" maxLength:"200" example:"4b8e3b2e-6f0f-4a38-9d0f-0b5a5c1d2e3f" doc:"The session's id, a UUID."`
	}
	listSessionsInput struct {
		Page
		Project string `query:"project" maxLength:"255" doc:"Only sessions of this project."`
	}
	newSessionInput struct {
		Body struct {
			Project        string `json:"project" minLength:"1" maxLength:"255" example:"thesis" doc:"Name of the project, which must be there."`
			Title          string `json:"title,omitempty" maxLength:"500" doc:"A title; the CLI gives one, if left out."`
			Model          string `json:"model,omitempty" maxLength:"200" example:"sonnet" doc:"The model; the CLI's choice, if left out."`
			PermissionMode string `json:"permission_mode,omitempty" maxLength:"50" example:"default" doc:"default, acceptEdits, plan, …: when Claude asks before it acts."`
			Effort         string `json:"effort,omitempty" maxLength:"50" example:"high" doc:"low, medium, high, xhigh or max: how hard the model works; default, if left out."`
		} `nameHint:"NewSession"`
	}
	changeSessionInput struct {
		ID   string `path:"id" maxLength:"200" doc:"The session's id, a UUID."`
		Body struct {
			Title          *string    `json:"title,omitempty" maxLength:"500" doc:"A new title."`
			Model          *string    `json:"model,omitempty" maxLength:"200" doc:"The model from the next turn on."`
			PermissionMode *string    `json:"permission_mode,omitempty" maxLength:"50" doc:"When Claude asks before it acts, from now on."`
			Effort         *string    `json:"effort,omitempty" maxLength:"50" doc:"How hard the model works, from the next turn on."`
			SeenAt         *time.Time `json:"seen_at,omitempty" doc:"The last_activity_at that the person has before their eyes. It never goes back."`
		} `nameHint:"SessionChange"`
	}
)

func (s *Server) registerSessions() {
	sessions := s.deps.Sessions
	route(s, signedIn, huma.Operation{Method: http.MethodGet, Path: "/sessions", Summary: "Own sessions, the last used first",
		Description: "Sessions that the CLI itself left in the workspace are among them."},
		func(ctx context.Context, in *listSessionsInput) (*body[List[session.Session]], error) {
			items, next, err := sessions.List(ctx, caller(ctx).ID, in.Project, in.Limit, in.Cursor)
			if err != nil {
				return nil, err
			}
			for i := range items {
				items[i] = sessionBody(items[i]).Body
			}
			return listOf(items, next), nil
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPost, Path: "/sessions", Summary: "Begin a session", DefaultStatus: http.StatusCreated},
		func(ctx context.Context, in *newSessionInput) (*body[session.Session], error) {
			b := in.Body
			made, err := sessions.Create(ctx, caller(ctx).ID, session.NewSession{
				Project: b.Project, Title: b.Title, Model: b.Model, PermissionMode: b.PermissionMode, Effort: b.Effort,
			})
			return sessionBody(made), err
		})
	route(s, signedIn, huma.Operation{Method: http.MethodGet, Path: "/sessions/{id}", Summary: "One session"},
		func(ctx context.Context, in *sessionIDInput) (*body[session.Session], error) {
			found, err := sessions.Get(ctx, caller(ctx).ID, in.ID)
			return sessionBody(found), err
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPatch, Path: "/sessions/{id}", Summary: "Change a session's title, model, permission mode or effort, or note that it was seen"},
		func(ctx context.Context, in *changeSessionInput) (*body[session.Session], error) {
			b := in.Body
			changed, err := sessions.Change(ctx, caller(ctx).ID, in.ID, session.Change{Title: b.Title, Model: b.Model, PermissionMode: b.PermissionMode, Effort: b.Effort, SeenAt: b.SeenAt})
			return sessionBody(changed), err
		})
	route(s, signedIn, huma.Operation{Method: http.MethodDelete, Path: "/sessions/{id}", Summary: "Delete a session for ever"},
		func(ctx context.Context, in *sessionIDInput) (*nothing, error) {
			return nil, sessions.Delete(ctx, caller(ctx).ID, in.ID)
		})
	s.registerEvents()
}

// sessionBody makes sure that usage is an object.
func sessionBody(v session.Session) *body[session.Session] {
	if len(v.Usage) == 0 {
		v.Usage = json.RawMessage("{}")
	}
	return &body[session.Session]{Body: v}
}
