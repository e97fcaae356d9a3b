package carrel

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// Message is one message of the WebSocket, either way.
type Message struct {
	Type      string          `json:"type"`
	SessionID string          `json:"session_id,omitempty"`
	Seq       int64           `json:"seq,omitempty"`
	ID        string          `json:"id,omitempty"`
	Code      string          `json:"code,omitempty"`
	Kind      string          `json:"kind,omitempty"` // of a notice
	Detail    string          `json:"detail,omitempty"`
	Event     json.RawMessage `json:"event,omitempty"`
}

// Event is a CLI line or one of ours, as far as tests look at it.
type Event struct {
	Type      string `json:"type"`
	Subtype   string `json:"subtype"`
	State     string `json:"state"`
	RequestID string `json:"request_id"`
	ID        string `json:"id"`
	IsError   bool   `json:"is_error"`
	Result    string `json:"result"`
	Code      string `json:"code"`
	Detail    string `json:"detail"`
	Behavior  string `json:"behavior"`
	Author    string `json:"author"`
	Message   json.RawMessage
	Request   struct {
		Subtype  string          `json:"subtype"`
		ToolName string          `json:"tool_name"`
		Input    json.RawMessage `json:"input"`
	} `json:"request"`
	Event struct {
		Type  string `json:"type"`
		Delta struct {
			Text string `json:"text"`
		} `json:"delta"`
	} `json:"event"`
}

// Socket is one WebSocket connection whose every message is kept.
type Socket struct {
	t    testing.TB
	conn *websocket.Conn
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu   sync.Mutex
	all  []Message
	err  error
	news chan struct{}
}

// Dial connects as the person, from our own origin.
func (p *Person) Dial() *Socket {
	p.s.t.Helper()
	conn := p.Connect("/ws")
	life, stop := context.WithCancel(context.Background())
	s := &Socket{t: p.s.t, conn: conn, stop: stop, news: make(chan struct{}, 1)}
	s.wg.Go(func() { s.read(life) })
	p.s.t.Cleanup(s.Close)
	return s
}

// Connect opens a WebSocket of the API, which the caller closes.
func (p *Person) Connect(path string) *websocket.Conn {
	p.s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	conn, err := p.TryConnect(ctx, path)
	if err != nil {
		p.s.t.Fatal(err)
	}
	return conn
}

// TryConnect is Connect for goroutines other than the test's own, and for a server that may be away.
func (p *Person) TryConnect(ctx context.Context, path string) (*websocket.Conn, error) {
	header := http.Header{}
	if p.Token != "" {
		header.Set("Authorization", "Bearer "+p.Token)
	} else {
		header.Set("Origin", p.s.URL)
	}
	// A client of its own: the other's timeout would cut the connection.
	options := &websocket.DialOptions{HTTPHeader: header, HTTPClient: &http.Client{Jar: p.client.Jar}}
	conn, res, err := websocket.Dial(ctx, strings.Replace(p.s.URL, "http", "ws", 1)+"/api/v1"+path, options) //nolint:bodyclose // the library's: "you never need to close the body yourself"
	if err != nil {
		return nil, fmt.Errorf("dial WebSocket: %w %v", err, res)
	}
	conn.SetReadLimit(64 << 20)
	return conn, nil
}

func (s *Socket) read(ctx context.Context) {
	for {
		_, b, err := s.conn.Read(ctx)
		s.mu.Lock()
		if err != nil {
			s.err = err
		} else {
			var m Message
			if e := json.Unmarshal(b, &m); e != nil {
				s.err = fmt.Errorf("a message that is not JSON: %w", e)
			}
			s.all = append(s.all, m)
		}
		failed := s.err != nil
		s.mu.Unlock()
		select {
		case s.news <- struct{}{}:
		default:
		}
		if failed {
			return
		}
	}
}

// Close ends the connection at once.
func (s *Socket) Close() {
	s.stop()
	_ = s.conn.CloseNow() // it may be closed already
	s.wg.Wait()
}

// Send sends one message.
func (s *Socket) Send(m any) {
	s.t.Helper()
	b, err := json.Marshal(m)
	if err != nil {
		s.t.Fatal(err)
	}
	s.SendText(string(b))
}

// SendText sends a text that need not be JSON.
func (s *Socket) SendText(text string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := s.conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		s.t.Fatalf("send: %v", err)
	}
}

// Messages are all that came so far.
func (s *Socket) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.all...)
}

// Wait returns the first message that matches, also one that came before.
func (s *Socket) Wait(what string, match func(Message) bool) Message {
	s.t.Helper()
	deadline := time.After(Patience)
	seen := 0
	for {
		s.mu.Lock()
		all, err := s.all, s.err
		s.mu.Unlock()
		for ; seen < len(all); seen++ {
			if match(all[seen]) {
				return all[seen]
			}
		}
		if err != nil {
			s.t.Fatalf("connection ended while waiting for %s: %v\n%s", what, err, s.tail())
		}
		select {
		case <-s.news:
		case <-deadline:
			s.t.Fatalf("no %s in %v\n%s", what, Patience, s.tail())
		}
	}
}

func (s *Socket) tail() string {
	all := s.Messages()
	var b strings.Builder
	for _, m := range all[max(0, len(all)-12):] {
		fmt.Fprintf(&b, "%s %d %.300s %s %s\n", m.Type, m.Seq, m.Event, m.Code, m.Detail)
	}
	return b.String()
}

// Parse reads an event.
func (m Message) Parse() Event {
	var e Event
	_ = json.Unmarshal(m.Event, &e) // an event of another shape has other fields
	return e
}

// WaitEvent waits for an event of a session after a number.
func (s *Socket) WaitEvent(what, sessionID string, after int64, match func(Event) bool) (Event, int64) {
	s.t.Helper()
	m := s.Wait(what, func(m Message) bool {
		return m.Type == "event" && m.SessionID == sessionID && m.Seq > after && match(m.Parse())
	})
	return m.Parse(), m.Seq
}

// Text joins the text deltas of a session between two numbers.
func (s *Socket) Text(sessionID string, after, until int64) string {
	var b strings.Builder
	for _, m := range s.Messages() {
		if m.Type == "event" && m.SessionID == sessionID && m.Seq > after && m.Seq <= until {
			b.WriteString(m.Parse().Event.Delta.Text)
		}
	}
	return b.String()
}

// Turn sends a prompt and waits for its result.
func (s *Socket) Turn(sessionID, id string, content any) (result Event, seq int64) {
	s.t.Helper()
	last := int64(0)
	for _, m := range s.Messages() {
		if m.SessionID == sessionID && m.Seq > last {
			last = m.Seq
		}
	}
	s.Send(map[string]any{"type": "prompt", "session_id": sessionID, "id": id, "content": content})
	s.Wait("ack of "+id, func(m Message) bool { return m.Type == "ack" && m.ID == id })
	return s.WaitEvent("result of "+id, sessionID, last, func(e Event) bool { return e.Type == "result" })
}

// CheckOrder fails unless every session's events came in order, once, and
// without a gap from the first one on, but for pieces of a block of text: those
// of a finished turn may have been dropped from the journal.
func (s *Socket) CheckOrder() {
	s.t.Helper()
	last := map[string]int64{}
	closed := map[string]bool{} // no block is being written
	for _, m := range s.Messages() {
		if m.Type != "event" {
			continue
		}
		if before, ok := last[m.SessionID]; ok && m.Seq != before+1 && (m.Seq <= before || closed[m.SessionID]) {
			s.t.Errorf("session %s: event %d came after %d", m.SessionID, m.Seq, before)
		}
		if e := string(m.Event); strings.HasPrefix(e, `{"type":"stream_event"`) {
			closed[m.SessionID] = !strings.Contains(e, `"type":"content_block_start"`) && !strings.Contains(e, `"type":"content_block_delta"`)
		}
		last[m.SessionID] = m.Seq
	}
}
