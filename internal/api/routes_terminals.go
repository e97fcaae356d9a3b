package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/api/socket"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

type newTerminalInput struct {
	Body *struct { // left out: all as it is without
		Project string   `json:"project,omitempty" maxLength:"255" example:"thesis" doc:"Project to begin in; the home, if left out."`
		Argv    []string `json:"argv,omitempty" maxItems:"1000" doc:"What to run; a login shell, if left out."`
		Cols    uint16   `json:"cols,omitempty" minimum:"1" maximum:"1000" default:"80" doc:"Columns of the window."`
		Rows    uint16   `json:"rows,omitempty" minimum:"1" maximum:"1000" default:"24" doc:"Rows of the window."`
	} `nameHint:"NewTerminal"`
}

type renameTerminalInput struct {
	ID   string `path:"id" doc:"The terminal's id."`
	Body struct {
		Title string `json:"title" maxLength:"100" example:"watch" doc:"What to call it; empty: nothing."`
	} `nameHint:"TerminalChange"`
}

func (s *Server) registerTerminals() {
	desk := s.deps.Desk
	route(s, signedIn, huma.Operation{Method: http.MethodGet, Path: "/terminals", Summary: "Own terminals"},
		func(ctx context.Context, in *Page) (*body[List[protocol.Terminal]], error) {
			all, err := desk.Terminals(ctx, caller(ctx).ID)
			if err != nil {
				return nil, err
			}
			return pageOfTerminals(all, in)
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPost, Path: "/terminals", Summary: "Open a terminal", DefaultStatus: http.StatusCreated},
		func(ctx context.Context, in *newTerminalInput) (*body[protocol.Terminal], error) {
			r := &protocol.OpenTerminalRequest{}
			if b := in.Body; b != nil {
				r = &protocol.OpenTerminalRequest{Project: b.Project, Argv: b.Argv, Cols: b.Cols, Rows: b.Rows}
			}
			t, err := desk.OpenTerminal(ctx, caller(ctx).ID, r)
			if err != nil {
				return nil, err
			}
			return &body[protocol.Terminal]{Body: *t}, nil
		})
	s.raw(signedIn, huma.Operation{Method: http.MethodGet, Path: "/terminals/{id}", Summary: "Attach to a terminal (WebSocket)",
		Description: "Binary frames are bytes, text frames control: {\"type\":\"resize\",\"cols\":80,\"rows\":24} from the client; attached, size, exit and error from the server. attached is the first, and tells which byte of the output the next binary frame begins with; the scrollback follows. Who counts the bytes and says with after how many they have gets the rest alone. The window has one size, that of the last resize, which every other client is told. The terminal outlives the connection.",
		Metadata:    map[string]any{metaSocket: true},
		Parameters: []*huma.Param{{Name: "id", In: "path", Required: true, Description: "The terminal's id.", Schema: &huma.Schema{Type: "string"}},
			{Name: "after", In: "query", Description: "How many bytes of its output the client has.", Schema: &huma.Schema{Type: "integer", Format: "int64"}}, langParam},
		Responses: map[string]*huma.Response{"101": {Description: "Switching to WebSocket."}}}, s.attach)
	route(s, signedIn, huma.Operation{Method: http.MethodPatch, Path: "/terminals/{id}", Summary: "Change a terminal's title"},
		func(ctx context.Context, in *renameTerminalInput) (*body[protocol.Terminal], error) {
			t, err := desk.RenameTerminal(ctx, caller(ctx).ID, in.ID, in.Body.Title)
			if err != nil {
				return nil, err
			}
			return &body[protocol.Terminal]{Body: *t}, nil
		})
	route(s, signedIn, huma.Operation{Method: http.MethodDelete, Path: "/terminals/{id}", Summary: "End a terminal and all that runs in it"},
		func(ctx context.Context, in *idInput) (*nothing, error) {
			return nil, desk.CloseTerminal(ctx, caller(ctx).ID, in.ID)
		})
}

// pageOfTerminals cuts a page out of all, in order of opening; the cursor is the last one's time.
func pageOfTerminals(all []protocol.Terminal, in *Page) (*body[List[protocol.Terminal]], error) {
	if in.Cursor != "" {
		after, err := strconv.ParseInt(in.Cursor, 10, 64)
		if err != nil {
			return nil, fault.InvalidField("query.cursor", "The cursor is not one that this list gave.")
		}
		all = slices.DeleteFunc(all, func(t protocol.Terminal) bool { return t.CreatedAt.UnixNano() <= after })
	}
	next := ""
	if len(all) > in.Limit {
		all = all[:in.Limit]
		next = strconv.FormatInt(all[in.Limit-1].CreatedAt.UnixNano(), 10)
	}
	return listOf(all, next), nil
}

// attach joins a terminal. That there is none is said before the upgrade, as a problem that a client can read.
func (s *Server) attach(w http.ResponseWriter, r *http.Request) error {
	if err := wantsSocket(r); err != nil {
		return err
	}
	id := r.PathValue("id")
	var after int64
	if q := r.URL.Query().Get("after"); q != "" {
		var err error
		if after, err = strconv.ParseInt(q, 10, 64); err != nil || after < 0 {
			return fault.InvalidField("query.after", "after must be 0 or more.")
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
	defer cancel()
	all, err := s.deps.Desk.Terminals(ctx, caller(ctx).ID)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(t protocol.Terminal) bool { return t.ID == id }) {
		return fault.New(fault.NotFound, "There is no such terminal.")
	}
	return s.serveSocket(func(p socket.Person) error { return s.sockets.ServeTerminal(w, r, p, id, after) }, r)
}
