package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/session"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

const (
	// maxWait bounds a long poll, which is shorter than what proxies allow.
	maxWait = 60
	// maxEventsBytes bounds one answer of events; the rest comes with the next cursor.
	maxEventsBytes = 16 << 20
)

type eventsInput struct {
	ID     string          `path:"id" maxLength:"200" doc:"The session's id, a UUID."`
	After  int64           `query:"after" minimum:"0" default:"0" doc:"Only events with a greater seq, from the first of them on."`
	Before optional[int64] `query:"before" minimum:"0" doc:"Read backwards: the last events with a smaller seq, as many as limit says, in ascending order; before=0 means the last of all. Not together with after, cursor and wait."`
	Limit  int             `query:"limit" minimum:"1" maximum:"5000" default:"500" doc:"How many events at most."`
	Cursor string          `query:"cursor" maxLength:"20" pattern:"^-?[0-9]*$" doc:"next_cursor of the page before, in place of after or before; it goes on in the same direction."`
	Wait   int             `query:"wait" minimum:"0" default:"0" doc:"With no event there: wait so many seconds for the first, at most 60."`
}

// optional is a parameter of which it matters whether it was given.
type optional[T any] struct {
	value T
	given bool
}

// Schema is for huma: it is described as its value is.
func (o optional[T]) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[T]())
}

// Receiver is for huma: where the value goes.
func (o *optional[T]) Receiver() reflect.Value { return reflect.ValueOf(&o.value).Elem() }

// OnParamSet is for huma: whether there was one.
func (o *optional[T]) OnParamSet(given bool, _ any) { o.given = given }

// Event is one line of a session's stream.
type Event struct {
	SessionID string          `json:"session_id" doc:"The session's id."`
	Seq       int64           `json:"seq" example:"17" doc:"Number of the event; rises with every event of a session, from 1."`
	At        time.Time       `json:"at" doc:"When it was written to the journal."`
	Event     json.RawMessage `json:"event" doc:"A line of the CLI as it came, or one of ours, whose type starts with 'carrel.'."`
}

// EventList is a page of a session's journal.
type EventList struct {
	List[Event]
	Todos *Todos `json:"todos,omitempty" doc:"With before=0: what Claude said that it means to do (TodoWrite, TaskCreate, TaskUpdate), which may have been before these events. Missing when it never did."`
}

// Todos is what Claude means to do.
type Todos struct {
	Seq   int64  `json:"seq" doc:"Number of the event that changed it last: what these tools said up to there is in it."`
	Items []Todo `json:"items" doc:"In order, 200 at most."`
}

// Todo is one thing that Claude means to do.
type Todo struct {
	ID     string `json:"id" doc:"By which TaskUpdate names it; of TodoWrite its place in the list."`
	Text   string `json:"text" doc:"What is to be done, shortened to 300 characters."`
	Status string `json:"status" enum:"pending,in_progress,completed" doc:"How far it is."`
}

func (s *Server) registerEvents() {
	route(s, signedIn, huma.Operation{Method: http.MethodGet, Path: "/sessions/{id}/events", Summary: "A session's journal",
		Description: "For programs that do not hold a WebSocket; with wait it is a long poll. To show a conversation from its end ask with before=0, and for what came earlier with the answer's " +
			"next_cursor, until it is null. Numbers may be missing: pieces of text (content_block_delta) of finished turns are dropped once a whole message has them."}, s.events)
}

func (s *Server) events(ctx context.Context, in *eventsInput) (*body[EventList], error) {
	from := in.After
	if in.Cursor != "" {
		var err error
		if from, err = strconv.ParseInt(in.Cursor, 10, 64); err != nil {
			return nil, fault.InvalidField("query.cursor", "The cursor is not one that this list gave.")
		}
	}
	if in.Before.given && (in.Cursor != "" || in.After != 0 || in.Wait != 0) {
		return nil, fault.InvalidField("query.before", "before reads backwards, and goes neither with after, nor cursor, nor wait.")
	}
	if in.Before.given || from < 0 {
		return s.eventsBefore(ctx, in, max(in.Before.value, -from))
	}
	wait := time.Duration(min(in.Wait, maxWait)) * time.Second
	found, more, err := s.deps.Sessions.Events(ctx, caller(ctx).ID, in.ID, from, in.Limit, wait, roomFor(ctx, maxEventsBytes))
	if err != nil {
		return nil, err
	}
	if wait > 0 {
		// While it waited, whoever asks may have been signed out.
		q := requestOf(ctx)
		if _, err := s.recognise(ctx, q.person.secret, q.person.byCookie, q.client); err != nil {
			return nil, err
		}
	}
	next := ""
	if more {
		next = strconv.FormatInt(found[len(found)-1].Seq, 10)
	}
	return in.page(found, next, nil), nil
}

// roomFor lets so many bytes of events into an answer, or one event of any size, as far as the user's allowance goes.
func roomFor(ctx context.Context, most int) session.Room {
	q, total := requestOf(ctx), 0
	return func(bytes int) error {
		if total > 0 && total+bytes > most {
			return errFull
		}
		total += bytes
		return q.hold(bytes)
	}
}

var errFull = errors.New("the answer is full")

// eventsBefore gives a page backwards. Its cursor is the number of its first event, with a minus.
func (s *Server) eventsBefore(ctx context.Context, in *eventsInput, before int64) (*body[EventList], error) {
	found, err := s.deps.Sessions.EventsBefore(ctx, caller(ctx).ID, in.ID, before, in.Limit, roomFor(ctx, math.MaxInt))
	if err != nil {
		return nil, err
	}
	begin, bytes := len(found), 0
	for begin > 0 && len(found)-begin < in.Limit {
		if bytes += len(found[begin-1].Event); begin < len(found) && bytes > maxEventsBytes {
			break
		}
		begin--
	}
	var todos *protocol.Todos
	if len(found) > 0 {
		todos = found[0].Todos
	}
	found = found[begin:]
	next := ""
	if len(found) > 0 && found[0].Seq > 1 {
		next = strconv.FormatInt(-found[0].Seq, 10)
	}
	return in.page(found, next, todos), nil
}

func (in *eventsInput) page(found []protocol.Event, next string, todos *protocol.Todos) *body[EventList] {
	l := EventList{List: listOf(in.items(found), next).Body}
	if todos != nil {
		l.Todos = &Todos{Seq: todos.Seq, Items: []Todo{}}
		for _, t := range todos.Items {
			l.Todos.Items = append(l.Todos.Items, Todo(t))
		}
	}
	return &body[EventList]{Body: l}
}

func (in *eventsInput) items(found []protocol.Event) []Event {
	items := make([]Event, 0, len(found))
	for _, e := range found {
		items = append(items, Event{SessionID: in.ID, Seq: e.Seq, At: e.At.UTC(), Event: e.Event})
	}
	return items
}

// writeEvents writes a list of events with their lines as they are. encoding/json would leave out their spaces.
func writeEvents(w io.Writer, l EventList) error {
	out := bufio.NewWriterSize(w, 64<<10)
	write := func(parts ...[]byte) {
		for _, p := range parts {
			_, _ = out.Write(p) // Flush tells
		}
	}
	write([]byte(`{"items":[`))
	for i, e := range l.Items {
		id, err := json.Marshal(e.SessionID)
		if err != nil {
			return err
		}
		if i > 0 {
			write([]byte(","))
		}
		line := protocol.Event{Seq: e.Seq, At: e.At, Event: e.Event}
		write([]byte(`{"session_id":`), id, []byte(","), line.AppendJSON(nil)[1:])
	}
	cursor, err := json.Marshal(l.NextCursor)
	if err != nil {
		return err
	}
	write([]byte(`],"next_cursor":`), cursor)
	if l.Todos != nil {
		todos, err := json.Marshal(l.Todos)
		if err != nil {
			return err
		}
		write([]byte(`,"todos":`), todos)
	}
	write([]byte("}\n"))
	return out.Flush()
}
