package socket

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/api/problem"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/session"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Messages to the client.
type (
	// Hello is the first one.
	Hello struct {
		Type    string       `json:"type" enum:"hello" doc:"hello"`
		User    account.User `json:"user" doc:"Who is connected."`
		Version string       `json:"version" doc:"The server's version."`
	}
	// Event is one event of a session; encodeEvent writes it.
	Event struct {
		Type      string          `json:"type" enum:"event" doc:"event"`
		SessionID string          `json:"session_id" doc:"The session's id."`
		Seq       int64           `json:"seq" doc:"Number of the event."`
		At        time.Time       `json:"at" doc:"When it was written to the journal."`
		Event     json.RawMessage `json:"event" doc:"A line of the CLI as it came, or one of ours, whose type starts with 'carrel.'."`
	}
	// Ack tells that a prompt is on disk, or that what else was asked for with an id is done.
	Ack struct {
		Type      string `json:"type" enum:"ack" doc:"ack"`
		ID        string `json:"id" doc:"The prompt's id, or that of an interrupt, stop or set."`
		SessionID string `json:"session_id" doc:"The session's id."`
		Seq       int64  `json:"seq" doc:"prompt: number of its carrel.prompt."`
		Duplicate bool   `json:"duplicate" doc:"prompt: it was there already, and runs no second time."`
	}
	// Pong answers a ping.
	Pong struct {
		Type string `json:"type" enum:"pong" doc:"pong"`
	}
	// Error tells what became of a message that could not be done. The connection stays open.
	Error struct {
		Type      string        `json:"type" enum:"error" doc:"error"`
		ID        string        `json:"id,omitempty" doc:"The message's id, if it had one that could be read."`
		SessionID string        `json:"session_id,omitempty" doc:"The message's session_id, if it had one that could be read."`
		RequestID string        `json:"request_id,omitempty" doc:"The message's request_id, if it had one that could be read."`
		Code      fault.Code    `json:"code" doc:"As in a problem document."`
		Detail    string        `json:"detail" doc:"What happened, why, and what to do."`
		Errors    []fault.Field `json:"errors,omitempty" doc:"The fields at fault."`
	}
	// Notice tells that something of the user's changed.
	Notice struct {
		Type string `json:"type" enum:"notice" doc:"notice"`
		session.Notice
	}
)

// failureOf is what a client is told of an error about one of its messages.
func (p Person) failureOf(m ClientMessage, err error) Error {
	told := problem.Of(err, "").In(p.Reads)
	return Error{
		Type: "error", ID: m.ID, SessionID: m.SessionID, RequestID: m.RequestID,
		Code: told.Code, Detail: told.Detail, Errors: told.Errors,
	}
}

func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // our own types; the raw parts have been decoded from JSON
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// encodeEvent leaves the event's own bytes as they came.
func encodeEvent(quotedSession []byte, e *protocol.Event) []byte {
	b := make([]byte, 0, len(e.Event)+len(quotedSession)+120)
	b = append(b, `{"type":"event","session_id":`...)
	b = append(b, quotedSession...)
	b = append(b, `,"seq":`...)
	b = strconv.AppendInt(b, e.Seq, 10)
	b = append(b, `,"at":"`...)
	b = e.At.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","event":`...)
	if len(e.Event) == 0 {
		b = append(b, "null"...)
	} else {
		b = append(b, e.Event...)
	}
	return append(b, '}')
}

// write is the connection's one writer while there is something to write.
func (c *conn) write() {
	told := false
	defer func() {
		if !told { // a panic, which ends the connection
			c.out.stopped()
		}
	}()
	for {
		f, ok := c.out.take(c.ctx)
		if !ok {
			told = true
			return
		}
		if err := c.writeFrame(f); err != nil {
			c.end(err)
		}
	}
}

func (c *conn) writeFrame(f frame) error {
	defer c.out.sent(f)
	return c.wire.write(websocket.MessageText, f.encoded())
}
