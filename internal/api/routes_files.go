package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// FileEntry is one file or folder of the user's tree.
type FileEntry struct {
	Name       string    `json:"name" example:"main.go" doc:"Its name; empty for the workspace itself."`
	Path       string    `json:"path" example:"projects/thesis/main.go" doc:"Relative to the workspace; empty for the workspace itself."`
	Type       string    `json:"type" enum:"file,folder,link,other" doc:"What it is; link: a link that leads nowhere or out of the workspace."`
	Link       bool      `json:"link,omitempty" doc:"It was reached over a link."`
	SizeBytes  int64     `json:"size_bytes" example:"1834" doc:"Size of a file."`
	ModifiedAt time.Time `json:"modified_at" doc:"When it was changed."`
	// Few programs make such names, and yet nobody should have to keep them for ever.
	EncodedPath string `json:"encoded_path,omitempty" example:"temp/caf%E9" doc:"Only where the path is not UTF-8, as path shows it with replacements: its bytes, percent-encoded. It goes into a query's path as it is, and with encoded into a body."`
}

// FileListing is a file, or a folder with a page of what is in it.
type FileListing struct {
	FileEntry
	Items      []FileEntry `json:"items" doc:"What is in the folder, by name; empty for a file."`
	NextCursor *string     `json:"next_cursor" doc:"Send it as cursor for the entries that follow; null at the end."`
}

// DeletedFile is a file or folder in the trash.
type DeletedFile struct {
	FileEntry
	From      string    `json:"from,omitempty" example:"projects/thesis/old.md" doc:"Where it was, relative to the workspace; left out where that is not known."`
	DeletedAt time.Time `json:"deleted_at" doc:"When it was put there."`
}

type (
	pathInput struct {
		Path string `query:"path" doc:"Relative to the workspace; empty: the workspace itself."`
		Page
	}
	removeInput struct {
		Path string `query:"path" required:"true" minLength:"1" doc:"Relative to the workspace."`
	}
	folderInput struct {
		Body struct {
			Path bodyPath `json:"path" minLength:"1" example:"projects/thesis/figures" doc:"Relative to the workspace; folders above it are made as needed."`
		} `nameHint:"NewFolder"`
	}
	trashInput struct {
		Body struct {
			Path    bodyPath `json:"path" minLength:"1" example:"projects/thesis/old.md" doc:"Relative to the workspace."`
			Encoded bool     `json:"encoded,omitempty" doc:"path is an encoded_path."`
		} `nameHint:"Trash"`
	}
	restoreInput struct {
		Body struct {
			Path    bodyPath `json:"path" minLength:"1" example:"temp/.trash/old.md-K5XGBJ/old.md" doc:"What to put back, relative to the workspace."`
			Encoded bool     `json:"encoded,omitempty" doc:"path is an encoded_path."`
			To      bodyPath `json:"to,omitempty" example:"projects/thesis/old.md" doc:"Its new path; left out: where it was, or in uploads where that is not known."`
		} `nameHint:"Restore"`
	}
	moveInput struct {
		Body struct {
			From    bodyPath `json:"from" minLength:"1" example:"uploads/plan.md" doc:"What to move, relative to the workspace."`
			Encoded bool     `json:"encoded,omitempty" doc:"from is an encoded_path."`
			To      bodyPath `json:"to" minLength:"1" example:"projects/thesis/plan.md" doc:"Its new path; nothing may be there."`
		} `nameHint:"Move"`
	}
)

func (s *Server) registerFiles() {
	route(s, signedIn, huma.Operation{Method: http.MethodGet, Path: "/files", Summary: "A folder's entries, or what a path is"},
		func(ctx context.Context, in *pathInput) (*body[FileListing], error) {
			if err := checkPath(caller(ctx), "query.path", in.Path); err != nil {
				return nil, err
			}
			q := in.query()
			q.Set("path", in.Path)
			l, err := ask[FileListing](ctx, s, http.MethodGet, "", q, nil)
			if l.Items == nil {
				l.Items = []FileEntry{}
			}
			return &body[FileListing]{Body: l}, err
		})
	route(s, signedIn, huma.Operation{Method: http.MethodDelete, Path: "/files", Summary: "Remove a file, or a folder with all that is in it"},
		func(ctx context.Context, in *removeInput) (*nothing, error) {
			if err := checkPath(caller(ctx), "query.path", in.Path); err != nil {
				return nil, err
			}
			_, err := ask[struct{}](ctx, s, http.MethodDelete, "", url.Values{"path": {in.Path}}, nil)
			return nil, err
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPost, Path: "/files/folder", Summary: "Make a folder", DefaultStatus: http.StatusCreated},
		func(ctx context.Context, in *folderInput) (*body[FileEntry], error) {
			if err := in.Body.Path.check(caller(ctx), "body.path"); err != nil {
				return nil, err
			}
			e, err := ask[FileEntry](ctx, s, http.MethodPost, "/folder", nil, in.Body)
			return &body[FileEntry]{Body: e}, err
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPost, Path: "/files/move", Summary: "Move or rename a file or folder"},
		func(ctx context.Context, in *moveInput) (*body[FileEntry], error) {
			if err := in.Body.From.check(caller(ctx), "body.from"); err != nil {
				return nil, err
			}
			if err := in.Body.To.check(caller(ctx), "body.to"); err != nil {
				return nil, err
			}
			e, err := ask[FileEntry](ctx, s, http.MethodPost, "/move", nil, in.Body)
			return &body[FileEntry]{Body: e}, err
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPost, Path: "/files/trash", Summary: "Put a file or folder into the trash",
		Description: "Moves it below temp/.trash, whole or not at all, and answers with where it is now: moving it back takes the removal back. It counts to the storage until it is removed there, or has been there for seven days."},
		func(ctx context.Context, in *trashInput) (*body[FileEntry], error) {
			if err := in.Body.Path.check(caller(ctx), "body.path"); err != nil {
				return nil, err
			}
			e, err := ask[FileEntry](ctx, s, http.MethodPost, "/trash", nil, in.Body)
			return &body[FileEntry]{Body: e}, err
		})
	route(s, signedIn, huma.Operation{Method: http.MethodGet, Path: "/files/trash", Summary: "What is in the trash",
		Description: "Each can be put back. What is removed there is removed for good."},
		func(ctx context.Context, in *Page) (*body[List[DeletedFile]], error) {
			l, err := ask[List[DeletedFile]](ctx, s, http.MethodGet, "/trash", in.query(), nil)
			if l.Items == nil {
				l.Items = []DeletedFile{}
			}
			return &body[List[DeletedFile]]{Body: l}, err
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPost, Path: "/files/trash/restore", Summary: "Put something back from the trash",
		Description: "Folders above it are made as needed. Where its name is taken it gets a number, as plan (2).md; the answer says where it is."},
		func(ctx context.Context, in *restoreInput) (*body[FileEntry], error) {
			if err := in.Body.Path.check(caller(ctx), "body.path"); err != nil {
				return nil, err
			}
			if err := in.Body.To.check(caller(ctx), "body.to"); err != nil {
				return nil, err
			}
			e, err := ask[FileEntry](ctx, s, http.MethodPost, "/trash/restore", nil, in.Body)
			return &body[FileEntry]{Body: e}, err
		})
	s.registerContent()
	s.registerFileSearch()
	s.registerArchive()
	s.registerUploads()
}
