package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/fault/words"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

type (
	instanceOutput struct {
		Status int
		Body   pool.Stats
	}
	instanceIDInput struct {
		UserID int64 `path:"user_id" minimum:"1" doc:"Id of the user whose instance it is."`
	}
)

func (s *Server) registerInstance() {
	route(s, signedIn, huma.Operation{Method: http.MethodGet, Path: "/instance", Summary: "Look at the own instance"},
		func(ctx context.Context, _ *nothing) (*body[pool.Stats], error) {
			st, err := s.deps.Instances.Look(ctx, caller(ctx).ID)
			return instanceBody(ctx, st), err
		})
	put := huma.Operation{Method: http.MethodPut, Path: "/instance", Summary: "Get the own instance, or make it",
		Description: "201: it was made. 200: it was there, and is used again; a hibernated one is woken.",
		Responses:   s.answers(http.StatusCreated, "It was made.", pool.Stats{})}
	route(s, signedIn, put, func(ctx context.Context, _ *nothing) (*instanceOutput, error) {
		st, created, err := s.deps.Instances.Get(ctx, caller(ctx).ID)
		if err != nil {
			return nil, err
		}
		out := &instanceOutput{Status: http.StatusOK, Body: instanceBody(ctx, st).Body}
		if created {
			out.Status = http.StatusCreated
		}
		return out, nil
	})
	route(s, signedIn, huma.Operation{Method: http.MethodDelete, Path: "/instance", Summary: "End the own instance", Description: "The files stay."},
		func(ctx context.Context, _ *nothing) (*nothing, error) {
			return nil, s.deps.Instances.Destroy(ctx, caller(ctx).ID)
		})
}

func (s *Server) registerInstances() {
	route(s, adminsOnly, huma.Operation{Method: http.MethodGet, Path: "/instances", Summary: "Everyone's instances, by user"},
		func(ctx context.Context, in *Page) (*body[List[pool.Stats]], error) {
			return pageOfInstances(ctx, s.deps.Instances.All(ctx), in)
		})
	route(s, adminsOnly, huma.Operation{Method: http.MethodGet, Path: "/instances/{user_id}", Summary: "A user's instance"},
		func(ctx context.Context, in *instanceIDInput) (*body[pool.Stats], error) {
			st, err := s.deps.Instances.Look(ctx, in.UserID)
			return instanceBody(ctx, st), err
		})
	route(s, adminsOnly, huma.Operation{Method: http.MethodDelete, Path: "/instances/{user_id}", Summary: "End a user's instance", Description: "The files stay."},
		func(ctx context.Context, in *instanceIDInput) (*nothing, error) {
			if err := s.deps.Instances.Destroy(ctx, in.UserID); err != nil {
				return nil, err
			}
			s.note(ctx, "instance.destroy", userTarget(in.UserID), nil)
			return nil, nil
		})
	route(s, adminsOnly, huma.Operation{Method: http.MethodPost, Path: "/instances/{user_id}/restart", Summary: "End a user's instance and make a new one"},
		func(ctx context.Context, in *instanceIDInput) (*body[pool.Stats], error) {
			st, err := s.deps.Instances.Restart(ctx, in.UserID)
			if err != nil {
				return nil, err
			}
			s.note(ctx, "instance.restart", userTarget(in.UserID), nil)
			return instanceBody(ctx, st), nil
		})
}

// pageOfInstances cuts a page out of all; the cursor is the last user's id.
func pageOfInstances(ctx context.Context, all []pool.Stats, in *Page) (*body[List[pool.Stats]], error) {
	var after int64
	if in.Cursor != "" {
		var err error
		if after, err = strconv.ParseInt(in.Cursor, 10, 64); err != nil {
			return nil, fault.InvalidField("query.cursor", "The cursor is not one that this list gave.")
		}
	}
	slices.SortFunc(all, func(a, b pool.Stats) int { return cmp.Compare(a.UserID, b.UserID) })
	all = slices.DeleteFunc(all, func(st pool.Stats) bool { return st.UserID <= after })
	next := ""
	if len(all) > in.Limit {
		all = all[:in.Limit]
		next = strconv.FormatInt(all[in.Limit-1].UserID, 10)
	}
	for i := range all {
		all[i] = instanceBody(ctx, all[i]).Body
	}
	return listOf(all, next), nil
}

// instanceBody makes sure that no list is null, and that what was found is in the reader's language.
func instanceBody(ctx context.Context, st pool.Stats) *body[pool.Stats] {
	if st.Processes == nil {
		st.Processes = []protocol.Process{}
	}
	l := requestOf(ctx).reads
	st.Health.Detail = words.Found(l, st.Health.Detail)
	replacements := make([]pool.Replacement, 0, len(st.Health.Replacements))
	for _, r := range st.Health.Replacements {
		r.Reason = words.Found(l, r.Reason)
		replacements = append(replacements, r)
	}
	st.Health.Replacements = replacements
	return &body[pool.Stats]{Body: st}
}
