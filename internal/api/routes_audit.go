package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/audit"
)

type auditInput struct {
	Page
	ActorID optional[int64] `query:"actor_id" minimum:"0" doc:"Only what this user did; 0: what nobody did who was signed in."`
	Action  string          `query:"action" maxLength:"100" example:"user.*" doc:"Only this action, or those that begin so, with a * at the end."`
	Target  string          `query:"target" maxLength:"200" doc:"Only what was done to this."`
	Since   time.Time       `query:"since" doc:"Not before this time."`
	Before  time.Time       `query:"before" doc:"Before this time."`
}

func (s *Server) registerAudit() {
	route(s, adminsOnly, huma.Operation{Method: http.MethodGet, Path: "/audit", Summary: "Who did what, the newest first"},
		func(ctx context.Context, in *auditInput) (*body[List[audit.Entry]], error) {
			if s.deps.Audit == nil {
				return listOf[audit.Entry](nil, ""), nil
			}
			f := audit.Filter{ActorID: in.ActorID.value, Nobody: in.ActorID.given && in.ActorID.value == 0, Action: in.Action, Target: in.Target, Since: in.Since, Before: in.Before}
			p, err := s.deps.Audit.List(ctx, f, in.Limit, in.Cursor)
			if err != nil {
				return nil, err
			}
			return listOf(p.Items, p.NextCursor), nil
		})
}

// noteTimeout bounds the writing of one entry.
const noteTimeout = 5 * time.Second

// note records what a request has done. It is done already, so a record that
// cannot be written is the log's to tell and not the client's.
func (s *Server) note(ctx context.Context, action, target string, detail map[string]any) {
	if s.deps.Audit == nil {
		return
	}
	q := requestOf(ctx)
	e := audit.Entry{Action: action, Target: target, Address: q.client, Detail: detail}
	if q.person != nil {
		e.ActorID = q.person.user.ID
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	if err := s.deps.Audit.Record(ctx, e); err != nil {
		s.deps.Log.Error("audit entry lost", "request_id", q.id, "action", action, "target", target, "actor_id", e.ActorID, "err", err)
	}
}

// userTarget names a user as the target of an action.
func userTarget(id int64) string { return "user-" + strconv.FormatInt(id, 10) }
