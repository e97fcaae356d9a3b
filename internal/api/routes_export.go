package api

import (
	"bufio"
	"fmt"
	"mime"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/session"
)

func (s *Server) registerExport() {
	text := &huma.MediaType{Schema: &huma.Schema{Type: "string"}}
	s.raw(signedIn, huma.Operation{Method: http.MethodGet, Path: "/sessions/{id}/export", Summary: "A conversation as a file",
		Description: "markdown is for people: prompts, answers, calls of tools and their results. jsonl is for programs: the journal without the pieces of messages, a line {seq, at, event} each. It streams; one that breaks off is cut short without the end of the transfer.",
		Parameters: []*huma.Param{
			{Name: "id", In: "path", Required: true, Description: "The session's id, a UUID.", Schema: &huma.Schema{Type: "string"}},
			{Name: "format", In: "query", Description: "markdown, if left out.", Schema: &huma.Schema{Type: "string", Enum: []any{session.Markdown, session.JSONL}, Default: session.Markdown}},
		},
		Responses: map[string]*huma.Response{"200": {Description: "The conversation; the file's name is its title.",
			Content: map[string]*huma.MediaType{"text/markdown": text, "application/jsonl": text}}}},
		s.export)
}

func (s *Server) export(w http.ResponseWriter, r *http.Request) error {
	format := session.Markdown
	if values, given := r.URL.Query()["format"]; given {
		if len(values) != 1 {
			return fault.InvalidField("query.format", "Give one format.")
		}
		format = values[0]
	}
	e, err := s.deps.Sessions.Export(r.Context(), caller(r.Context()).ID, r.PathValue("id"), format)
	if err != nil {
		return err
	}
	out := &download{w: w, control: requestOf(r.Context()).control, begin: func() {
		h := w.Header()
		h.Set("Content-Type", e.ContentType)
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": e.Name}))
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("Cache-Control", "private, no-store")
		w.WriteHeader(http.StatusOK)
	}}
	defer func() { _ = out.control.SetWriteDeadline(time.Time{}) }() // as in patientReader
	if r.Method == http.MethodHead {
		out.begin()
		return nil
	}
	buffered := bufio.NewWriterSize(out, 64<<10)
	if err = e.Write(r.Context(), buffered); err == nil {
		err = buffered.Flush()
	}
	switch {
	case err == nil && !out.begun: // nothing was ever said
		out.begin()
	case err != nil && out.begun:
		// The status is out: only a cut connection tells that this is not all.
		requestOf(r.Context()).err = fmt.Errorf("send export: %w", err)
		panic(http.ErrAbortHandler)
	}
	return err
}

// download is an answer that begins with its first byte, so that what fails before it can be told, and that goes on
// as long as something is taken.
type download struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begin   func()
	begun   bool
}

func (d *download) Write(b []byte) (int, error) {
	if !d.begun {
		d.begun = true
		d.begin()
	}
	_ = d.control.SetWriteDeadline(time.Now().Add(contentPatience)) // as in patientReader
	return d.w.Write(b)
}
