package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/client"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Formats of an export.
const (
	Markdown = "markdown" // for people
	JSONL    = "jsonl"    // for programs: every event but the pieces of messages, as in the journal
)

const (
	exportTimeout = 30 * time.Minute // of one export; who reads slowly has so long
	nameLength    = 80               // of a file, in characters
)

// Export is a conversation to be written out.
type Export struct {
	Name        string // of a file
	ContentType string
	// Write writes the conversation as it is then, without holding more than
	// an event of it.
	Write func(context.Context, io.Writer) error
}

// Export prepares a session's export. Nothing is read before Write.
func (s *Service) Export(ctx context.Context, userID int64, id, format string) (*Export, error) {
	r, err := find(ctx, s.db, key{userID, id})
	if err != nil {
		return nil, err
	}
	e := &Export{Write: func(ctx context.Context, w io.Writer) error { return s.export(ctx, r, format, w) }}
	switch format {
	case Markdown:
		e.Name, e.ContentType = fileName(r, ".md"), "text/markdown; charset=utf-8"
	case JSONL:
		e.Name, e.ContentType = fileName(r, ".jsonl"), "application/jsonl"
	default:
		return nil, fault.InvalidField("query.format", "The format must be %s or %s.", Markdown, JSONL)
	}
	return e, nil
}

// pieces is how events begin that the whole message says again.
var pieces = []byte(`{"type":"stream_event"`)

func (s *Service) export(ctx context.Context, r *row, format string, w io.Writer) error {
	k := r.key()
	ctx, end, err := s.begin(ctx, k)
	if err != nil {
		return err
	}
	defer end()
	s.recall(ctx, r)
	var take func(*protocol.Event) error
	if format == JSONL {
		take = func(ev *protocol.Event) error { return writeJSONL(w, ev) }
	} else {
		m := newMarkdown(w)
		if err := m.title(r); err != nil {
			return err
		}
		take = m.event
	}
	f := follower{send: func(ev *protocol.Event) error {
		if bytes.HasPrefix(ev.Event, pieces) {
			return nil
		}
		return take(ev)
	}}
	err = s.with(ctx, k.userID, exportTimeout, func(ctx context.Context, c *client.Client) error {
		return c.Events(ctx, &protocol.EventsRequest{SessionID: k.id, After: f.last, Until: true}, f.take)
	})
	switch {
	case f.failed != nil:
		return f.failed
	case errors.Is(context.Cause(ctx), errDeleted):
		return errNoSession()
	case fault.CodeOf(err) == fault.NotFound: // nothing was ever said
		return nil
	case err != nil:
		return fmt.Errorf("export session %s: %w", k.id, ended(ctx, err))
	}
	return nil
}

func writeJSONL(w io.Writer, ev *protocol.Event) error {
	b, err := json.Marshal(ev)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// fileName makes a name of a title that every system takes.
func fileName(r *row, extension string) string {
	var b strings.Builder
	n := 0
	for _, c := range r.Title {
		if n++; n > nameLength {
			break
		}
		switch {
		case strings.ContainsRune(`/\:*?"<>|`, c), unicode.IsSpace(c):
			c = ' '
		case !unicode.IsPrint(c):
			continue
		}
		b.WriteRune(c)
	}
	name := strings.Trim(strings.Join(strings.Fields(b.String()), " "), ". ")
	if name == "" {
		name = "session-" + r.ID[:8]
	}
	return name + extension
}
