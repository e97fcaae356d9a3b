package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
)

// socket is a person's WebSocket, as the page holds one.
type socket struct {
	conn *websocket.Conn
	stop context.CancelFunc
	done chan struct{}

	mu       sync.Mutex
	sessions map[string]chan heard // guarded by mu
}

func (p *person) dial(ctx context.Context) (*socket, error) {
	conn, _, err := websocket.Dial(ctx, p.url+"/api/v1/ws", &websocket.DialOptions{ //nolint:bodyclose // the library owns it
		HTTPClient: p.client, HTTPHeader: http.Header{"Origin": {p.url}},
	})
	if err != nil {
		return nil, fmt.Errorf("open the WebSocket: %w", err)
	}
	conn.SetReadLimit(-1)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &socket{conn: conn, stop: cancel, done: make(chan struct{}), sessions: map[string]chan heard{}}
	go s.read(ctx)
	return s, nil
}

// read gives each session its events. Errors of the server's are turned into events, so that a turn ends with them.
func (s *socket) read(ctx context.Context) {
	defer close(s.done)
	defer s.closeAll()
	for {
		_, data, err := s.conn.Read(ctx)
		if err != nil {
			return
		}
		at := time.Now()
		var m struct {
			Type      string          `json:"type"`
			SessionID string          `json:"session_id"`
			Event     json.RawMessage `json:"event"`
			Code      string          `json:"code"`
			Detail    string          `json:"detail"`
		}
		if json.Unmarshal(data, &m) != nil {
			continue
		}
		if m.Type == "error" {
			m.Event, _ = json.Marshal(map[string]string{"type": "carrel.error", "code": m.Code, "detail": m.Detail}) // strings always marshal
		}
		s.mu.Lock()
		c := s.sessions[m.SessionID]
		s.mu.Unlock()
		if len(m.Event) == 0 || c == nil {
			continue
		}
		select {
		case c <- heard{at, m.Event}:
		case <-ctx.Done():
			return
		}
	}
}

func (s *socket) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, c := range s.sessions {
		close(c)
		delete(s.sessions, id)
	}
}

func (s *socket) send(ctx context.Context, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.conn.Write(ctx, websocket.MessageText, b)
}

func (s *socket) close() {
	s.stop() // the reader is in a read, which this ends, with the connection
	<-s.done
}

// session is a conversation behind Carrel.
type session struct {
	id     string
	person *person
	socket *socket
	events chan heard
}

// subscribe looks at a session, which is what starts its process ahead of a prompt.
func (s *socket) subscribe(ctx context.Context, p *person, id string) (*session, error) {
	return s.subscribeAfter(ctx, p, id, 0)
}

// subscribeAfter leaves out what was before an event.
func (s *socket) subscribeAfter(ctx context.Context, p *person, id string, after int64) (*session, error) {
	const room = 4096 // events that may wait while nobody follows
	c := make(chan heard, room)
	s.mu.Lock()
	s.sessions[id] = c
	s.mu.Unlock()
	return &session{id, p, s, c}, s.send(ctx, map[string]any{"type": "subscribe", "session_id": id, "after": after})
}

func (s *session) ask(ctx context.Context, prompt string) (turn, error) {
	began := time.Now()
	err := s.socket.send(ctx, map[string]any{"type": "prompt", "session_id": s.id, "id": uuid.NewString(), "content": prompt})
	if err != nil {
		return turn{}, fmt.Errorf("prompt through Carrel: %w", err)
	}
	t, err := follow(ctx, began, s.events)
	if err != nil {
		return t, fmt.Errorf("follow Carrel: %w", err)
	}
	return t, nil
}

// close deletes the session, which ends its process.
func (s *session) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return s.person.do(ctx, 204, "DELETE", "/sessions/"+s.id, nil, nil)
}
