package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/session"
)

type searchInput struct {
	Query  string `query:"q" required:"true" minLength:"1" maxLength:"200" example:"login page" doc:"Words that all must be in one prompt, answer, call or result, in any case and also within other words. What stands in double quotes is one word."`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"How many at most."`
	Cursor string `query:"cursor" maxLength:"500" doc:"next_cursor of the page before."`
}

func (s *Server) registerSearch() {
	route(s, signedIn, huma.Operation{Method: http.MethodGet, Path: "/search", Summary: "Find words in own conversations",
		Description: "The session that was used last comes first, and in it what was said last. A page may be short, or empty, and still have a next one: a search gives what it has after a few seconds. Conversations that the CLI left in the workspace are found once they were opened."},
		func(ctx context.Context, in *searchInput) (*body[List[session.Found]], error) {
			items, next, err := s.deps.Sessions.Search(ctx, caller(ctx).ID, in.Query, in.Limit, in.Cursor)
			if err != nil {
				return nil, err
			}
			return listOf(items, next), nil
		})
}
