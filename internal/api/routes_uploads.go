package api

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/fault"
)

// Headers of tus that pass to the instance, and back out of it. The bytes go through: the server keeps nothing of an
// upload, neither on disk nor in memory, and knows none of its ids.
var (
	uploadHeadersIn  = []string{"Tus-Resumable", "Upload-Length", "Upload-Metadata", "Upload-Offset", "Content-Type", "Content-Length"}
	uploadHeadersOut = []string{"Tus-Resumable", "Tus-Version", "Upload-Offset", "Upload-Length", "Upload-Expires", "Upload-Path"}
)

// uploadID is what every upload's id looks like: nothing that could lead elsewhere inside.
var uploadID = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)

func (s *Server) registerUploads() {
	bytes := &huma.RequestBody{Content: map[string]*huma.MediaType{"application/offset+octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}}
	version := &huma.Param{Name: "Tus-Resumable", In: "header", Required: true, Description: "1.0.0", Schema: &huma.Schema{Type: "string"}}
	id := &huma.Param{Name: "id", In: "path", Required: true, Description: "The upload's id.", Schema: &huma.Schema{Type: "string"}}
	header := func(name, doc string) *huma.Param {
		return &huma.Param{Name: name, In: "header", Required: true, Description: doc, Schema: &huma.Schema{Type: "string"}}
	}
	for _, op := range []huma.Operation{
		{Method: http.MethodPost, Path: "/files/uploads", Summary: "Begin an upload that can be resumed",
			Description: "tus 1.0.0 with creation, creation-with-upload, expiration and termination. The bytes lie in the person's own storage from the first on; the file appears with the last. An upload that stands still for a day is removed.",
			Parameters: []*huma.Param{version, header("Upload-Length", "How many bytes there are."),
				header("Upload-Metadata", "path: relative to the workspace, folders above it are made as needed. exists: refuse (if left out), replace, or keep, which gives the new file a number. Values in Base64.")},
			RequestBody: bytes, Responses: s.answers(http.StatusCreated, "It was begun; Location is where its bytes go.", nil)},
		{Method: http.MethodHead, Path: "/files/uploads/{id}", Summary: "How much of an upload there is",
			Parameters: []*huma.Param{version, id}, Responses: s.answers(http.StatusOK, "The header Upload-Offset says it.", nil)},
		{Method: http.MethodPatch, Path: "/files/uploads/{id}", Summary: "Send more of an upload",
			Description: "What came before a connection broke off is kept. With the last byte the file is there; the header Upload-Path is its path, percent-encoded.",
			Parameters:  []*huma.Param{version, id, header("Upload-Offset", "Where the bytes belong: what there is so far.")},
			RequestBody: bytes, Responses: s.answers(http.StatusNoContent, "The header Upload-Offset is what there is now.", nil)},
		{Method: http.MethodDelete, Path: "/files/uploads/{id}", Summary: "Cancel an upload",
			Parameters: []*huma.Param{version, id}, Responses: s.answers(http.StatusNoContent, "It is gone.", nil)},
	} {
		s.raw(signedIn, op, s.upload)
	}
}

func (s *Server) upload(w http.ResponseWriter, r *http.Request) error {
	control := requestOf(r.Context()).control
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet // an answer to HEAD has no body, and so could not say what is wrong
	}
	at := "/uploads"
	if method != http.MethodPost {
		id := r.PathValue("id")
		if !uploadID.MatchString(id) {
			return fault.New(fault.NotFound, "There is no such upload. It may have ended, or have waited for more than a day.")
		}
		at += "/" + id
	}
	res, err := s.deps.Desk.HTTP(ctx, caller(ctx).ID, method, at, nil, pick(r.Header, uploadHeadersIn), &patientReader{r: r.Body, control: control})
	_ = control.SetReadDeadline(time.Time{}) // of the last read; a writer without deadlines had none
	if err != nil {
		return err
	}
	defer res.Body.Close()
	h := w.Header()
	for k, v := range pick(res.Header, uploadHeadersOut) {
		h[k] = v
	}
	if err := insideProblem(res); err != nil {
		return err
	}
	if r.Method == http.MethodPost {
		// A path alone: how we are reached, the browser knows better.
		h.Set("Location", Base+"/files/uploads/"+url.PathEscape(path.Base(res.Header.Get("Location"))))
	}
	switch r.Method {
	case http.MethodPost:
		w.WriteHeader(http.StatusCreated)
	case http.MethodHead:
		w.WriteHeader(http.StatusOK)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
	return nil
}

func (s *Server) registerArchive() {
	s.raw(signedIn, huma.Operation{Method: http.MethodGet, Path: "/files/archive", Summary: "Read a folder as a zip archive",
		Description: "It is made while it is sent. Links are not followed out of the workspace, nor to folders; what is left out is named in the archive.",
		Parameters:  []*huma.Param{{Name: "path", In: "query", Required: true, Description: "Relative to the workspace; a dot: all of it.", Schema: &huma.Schema{Type: "string"}}},
		Responses:   map[string]*huma.Response{"200": {Description: "The archive.", Content: map[string]*huma.MediaType{"application/zip": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}}}},
		s.archive)
}

func (s *Server) archive(w http.ResponseWriter, r *http.Request) error {
	p, err := contentPath(r)
	if err != nil {
		return err
	}
	res, err := s.deps.Desk.HTTP(r.Context(), caller(r.Context()).ID, http.MethodGet, "/archive", url.Values{"path": {p}}, http.Header{}, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := insideProblem(res); err != nil {
		return err
	}
	name := path.Base(strings.TrimRight(p, "/"))
	if name == "." || name == "" {
		name = "workspace"
	}
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name + ".zip"}))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	if err := patientCopy(w, res.Body, requestOf(r.Context()).control); err != nil {
		// The status is out: only a cut connection tells that this is not all.
		requestOf(r.Context()).err = fmt.Errorf("send archive: %w", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}
