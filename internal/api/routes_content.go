package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/fault"
)

// contentPatience is how long a transfer may stand still.
const contentPatience = time.Minute

// contentPolicy keeps what a person stored from acting as a page of ours.
const contentPolicy = "sandbox; default-src 'none'"

// shown are the images that may be shown in place. SVG is not among them: it is a program.
var shown = map[string]string{
	".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp",
}

// Headers that pass to the instance, and back out of it.
var (
	headersIn  = []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Range", "Range"}
	headersOut = []string{"ETag", "Last-Modified", "Content-Length", "Content-Range", "Accept-Ranges"}
)

func (s *Server) registerContent() {
	pathParam := &huma.Param{Name: "path", In: "query", Required: true, Description: "Relative to the workspace.", Schema: &huma.Schema{Type: "string"}}
	bytes := map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}
	header := func(name, doc string) *huma.Param {
		return &huma.Param{Name: name, In: "header", Description: doc, Schema: &huma.Schema{Type: "string"}}
	}
	s.raw(signedIn, huma.Operation{Method: http.MethodGet, Path: "/files/content", Summary: "Read a file",
		Description: "Always as a download in a sandbox, but for png, jpeg, gif and webp images with inline=1.",
		Parameters: []*huma.Param{pathParam, header("If-None-Match", "An ETag: 304 if the file still has it."), header("Range", "One range of bytes."),
			{Name: "inline", In: "query", Description: "1: show an image in place.", Schema: &huma.Schema{Type: "string", Enum: []any{"0", "1"}}}},
		Responses: map[string]*huma.Response{"200": {Description: "The content.", Content: bytes}, "206": {Description: "A range of it.", Content: bytes}, "304": {Description: "Not changed."}}},
		s.getContent)
	s.raw(signedIn, huma.Operation{Method: http.MethodPut, Path: "/files/content", Summary: "Write a file",
		Description: "Whole or not at all. Folders above it are made as needed. With If-Match only if it was not changed since, else precondition_failed; with If-None-Match: * only if it is new.",
		Parameters:  []*huma.Param{pathParam, header("If-Match", "The ETag that was read."), header("If-None-Match", "*: the file must be new.")},
		RequestBody: &huma.RequestBody{Content: bytes},
		Responses:   s.answers(http.StatusOK, "It was replaced; the header ETag is the new one.", FileEntry{}, http.StatusCreated, "It was made; the header ETag is its.", FileEntry{})},
		s.putContent)
}

// contentPath is the path that a request for content names, checked.
func contentPath(r *http.Request) (string, error) {
	values := r.URL.Query()["path"]
	if len(values) != 1 || values[0] == "" {
		return "", fault.InvalidField("query.path", "Give one path.")
	}
	return values[0], checkPath(caller(r.Context()), "query.path", values[0])
}

func (s *Server) getContent(w http.ResponseWriter, r *http.Request) error {
	p, err := contentPath(r)
	if err != nil {
		return err
	}
	header := pick(r.Header, headersIn)
	if strings.Contains(header.Get("Range"), ",") {
		header.Del("Range") // several ranges would need a content type that the inside chooses
	}
	// For HEAD as well: an answer to that has no body, and so could not say what is wrong.
	res, err := s.deps.Desk.HTTP(r.Context(), caller(r.Context()).ID, http.MethodGet, "/content", url.Values{"path": {p}}, header, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := insideProblem(res); err != nil {
		return err
	}
	h := w.Header()
	for k, v := range pick(res.Header, headersOut) {
		h[k] = v
	}
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("Cache-Control", "private, no-cache")
	disposition := "attachment"
	if t, ok := shown[strings.ToLower(path.Ext(p))]; ok && r.URL.Query().Get("inline") == "1" {
		h.Set("Content-Type", t)
		disposition = "inline"
	}
	h.Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": path.Base(p)}))
	w.WriteHeader(res.StatusCode)
	if r.Method == http.MethodHead || res.StatusCode == http.StatusNotModified {
		return nil
	}
	if err := patientCopy(w, res.Body, requestOf(r.Context()).control); err != nil {
		// The status is out: only a cut connection tells that this is not all.
		requestOf(r.Context()).err = fmt.Errorf("send content: %w", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

func (s *Server) putContent(w http.ResponseWriter, r *http.Request) error {
	p, err := contentPath(r)
	if err != nil {
		return err
	}
	control := requestOf(r.Context()).control
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	res, err := s.deps.Desk.HTTP(ctx, caller(ctx).ID, http.MethodPut, "/content", url.Values{"path": {p}},
		pick(r.Header, headersIn), &patientReader{r: r.Body, control: control})
	_ = control.SetReadDeadline(time.Time{}) // of the last read; a writer without deadlines had none
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := insideProblem(res); err != nil {
		return err
	}
	e, err := decodeInside[FileEntry](res)
	if err != nil {
		return err
	}
	if etag := res.Header.Get("ETag"); etag != "" {
		w.Header().Set("ETag", etag)
	}
	status := http.StatusOK
	if res.StatusCode == http.StatusCreated {
		status = http.StatusCreated
	}
	return writeJSON(w, status, e)
}

// pick copies the headers that are named.
func pick(from http.Header, names []string) http.Header {
	to := http.Header{}
	for _, name := range names {
		if v := from.Values(name); len(v) > 0 {
			to[http.CanonicalHeaderKey(name)] = v
		}
	}
	return to
}

// patientReader reads a request's body as long as something comes.
type patientReader struct {
	r       io.Reader
	control *http.ResponseController
}

func (p *patientReader) Read(b []byte) (int, error) {
	_ = p.control.SetReadDeadline(time.Now().Add(contentPatience)) // a writer without deadlines has nobody to wait for
	return p.r.Read(b)
}

// patientCopy copies as long as something is taken.
func patientCopy(w http.ResponseWriter, from io.Reader, control *http.ResponseController) error {
	defer func() { _ = control.SetWriteDeadline(time.Time{}) }() // as in patientReader
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			_ = control.SetWriteDeadline(time.Now().Add(contentPatience)) // as in patientReader
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
