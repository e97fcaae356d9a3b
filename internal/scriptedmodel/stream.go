package scriptedmodel

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// The shapes of the API's answers, fields in the API's order.

type apiMessage struct {
	ID           string         `json:"id"`
	Type         string         `json:"type"`
	Role         string         `json:"role"`
	Model        string         `json:"model"`
	Content      []contentBlock `json:"content"`
	StopReason   *string        `json:"stop_reason"`
	StopSequence *string        `json:"stop_sequence"`
	Usage        usage          `json:"usage"`
}

// contentBlock is one of the three kinds that are spoken here. Pointers keep
// the fields of the other kinds out.
type contentBlock struct {
	Type      string          `json:"type"`
	Text      *string         `json:"text,omitempty"`
	Thinking  *string         `json:"thinking,omitempty"`
	Signature *string         `json:"signature,omitempty"`
	ID        string          `json:"id,omitempty"`
	Name      string          `json:"name,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"`
}

type contentDelta struct {
	Type        string  `json:"type"`
	Text        *string `json:"text,omitempty"`
	Thinking    *string `json:"thinking,omitempty"`
	Signature   *string `json:"signature,omitempty"`
	PartialJSON *string `json:"partial_json,omitempty"`
}

type event struct {
	Type         string        `json:"type"`
	Message      *apiMessage   `json:"message,omitempty"`
	Index        *int          `json:"index,omitempty"`
	ContentBlock *contentBlock `json:"content_block,omitempty"`
	Delta        any           `json:"delta,omitempty"`
	Usage        *deltaUsage   `json:"usage,omitempty"`
	Error        *apiError     `json:"error,omitempty"`
}

type stopDelta struct {
	StopReason   string  `json:"stop_reason"`
	StopSequence *string `json:"stop_sequence"`
}

type apiError struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// sink takes an answer's events: as a stream, or gathered into one message.
type sink interface {
	send(e event) error
	flush() error
	started() bool
}

// sseSink writes server-sent events as the API does.
type sseSink struct {
	w    http.ResponseWriter
	open bool
	buf  bytes.Buffer
}

func (s *sseSink) started() bool { return s.open }

func (s *sseSink) send(e event) error {
	if !s.open {
		s.open = true
		h := s.w.Header()
		h.Set("Content-Type", "text/event-stream; charset=utf-8")
		h.Set("Cache-Control", "no-cache")
		s.w.WriteHeader(http.StatusOK)
	}
	s.buf.Reset()
	fmt.Fprintf(&s.buf, "event: %s\ndata: ", e.Type)
	if err := encode(&s.buf, e); err != nil {
		return err
	}
	s.buf.WriteByte('\n') // after the encoder's own: an empty line ends the event
	_, err := s.w.Write(s.buf.Bytes())
	return err
}

func (s *sseSink) flush() error { return http.NewResponseController(s.w).Flush() }

// wholeSink gathers the events into one message, which message_stop sends.
type wholeSink struct {
	w       http.ResponseWriter
	message apiMessage
	input   strings.Builder // of the tool_use that is open
}

func (s *wholeSink) started() bool { return false } // nothing leaves before the end
func (s *wholeSink) flush() error  { return nil }

func (s *wholeSink) send(e event) error {
	switch e.Type {
	case "message_start":
		s.message = *e.Message
	case "content_block_start":
		s.message.Content = append(s.message.Content, *e.ContentBlock)
		s.input.Reset()
	case "content_block_delta":
		s.add(&s.message.Content[len(s.message.Content)-1], e.Delta.(contentDelta))
	case "content_block_stop":
		if b := &s.message.Content[len(s.message.Content)-1]; b.Type == "tool_use" {
			b.Input = json.RawMessage(s.input.String())
		}
	case "message_delta":
		stop := e.Delta.(stopDelta).StopReason
		s.message.StopReason, s.message.Usage.OutputTokens = &stop, e.Usage.OutputTokens
	case "message_stop":
		var buf bytes.Buffer
		if err := encode(&buf, s.message); err != nil {
			return err
		}
		s.w.Header().Set("Content-Type", "application/json")
		_, err := s.w.Write(buf.Bytes())
		return err
	}
	return nil
}

func (s *wholeSink) add(b *contentBlock, d contentDelta) {
	join := func(to **string, more *string) {
		if more != nil {
			all := **to + *more
			*to = &all
		}
	}
	join(&b.Text, d.Text)
	join(&b.Thinking, d.Thinking)
	join(&b.Signature, d.Signature)
	if d.PartialJSON != nil {
		s.input.WriteString(*d.PartialJSON)
	}
}

// encode writes JSON without escaping <, > and &, as the API does.
func encode(buf *bytes.Buffer, v any) error {
	e := json.NewEncoder(buf)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

var errorTypes = map[int]string{
	400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error",
	413: "request_too_large", 429: "rate_limit_error", 504: "timeout_error", 529: "overloaded_error",
}

func errorType(status int) string {
	if t, ok := errorTypes[status]; ok {
		return t
	}
	if status < 500 {
		return "invalid_request_error"
	}
	return "api_error"
}

func writeError(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, map[string]any{
		"type": "error", "error": apiError{errorType(status), message}, "request_id": w.Header().Get("request-id"),
	})
}

// messageID differs between answers even to the same request, and between two
// runs of the program: a conversation may see both, and the CLI joins what has one id.
func messageID(body []byte, number int) string {
	h := sha256.New()
	h.Write(body)
	h.Write([]byte(strconv.Itoa(number)))
	return "msg_01" + hex.EncodeToString(h.Sum(nil))[:22]
}

func toolUseID(messageID string, index int) string {
	h := sha256.Sum256([]byte(messageID + strconv.Itoa(index)))
	return "toolu_01" + hex.EncodeToString(h[:])[:22]
}

// requestKey is the same for a request and its retries.
func requestKey(r Request, prompt string) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%d\x00%d\x00%s", r.SessionID, r.AgentID, r.Kind, r.Messages, r.Calls, prompt))
	return hex.EncodeToString(h[:16])
}
