package scriptedmodel

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"time"
)

// Request is what the model remembers of one request.
type Request struct {
	Number    int       `json:"number"` // from 1, in order of arrival
	At        time.Time `json:"at"`
	Kind      Kind      `json:"kind"`
	SessionID string    `json:"session_id"` // x-claude-code-session-id
	AgentID   string    `json:"agent_id"`   // of a subagent's request
	Model     string    `json:"model"`
	Effort    string    `json:"effort,omitempty"`
	Stream    bool      `json:"stream"`
	Messages  int       `json:"messages"`
	Prompt    string    `json:"prompt"` // the beginning of what the person typed
	Orders    []string  `json:"orders"`
	// Calls is how many tool calls the turn has made so far: 0 for the first request of a turn.
	Calls int `json:"calls"`
	// Attempt counts the same request coming again, from 1.
	Attempt int `json:"attempt"`
	// Stop is the stop_reason of an answer, for Options.Answered; a request that was just made has none.
	Stop string `json:"stop,omitempty"`
}

const (
	maxRequests = 2000 // remembered
	maxAttempts = 4096 // counters of requests that came before
	maxGates    = 1024 // keys of [wait KEY]
	maxPrompt   = 300  // characters of a prompt that are remembered
	maxOrders   = 50   // orders of a prompt that are remembered
)

// record is the model's memory: what was asked, how often, and which gates are
// open. It decides nothing but how often a fault strikes and how long a wait lasts.
type record struct {
	mu       sync.Mutex
	number   int                      // guarded by mu, as all below
	requests []Request                // the last maxRequests
	changed  chan struct{}            // closed and replaced at every request
	attempts map[string]*list.Element // by request key, values in order
	order    *list.List               // of attempt, oldest first
	gates    map[string]chan struct{} // closed when released
}

type attempt struct {
	key   string
	count int
}

func newRecord() *record {
	return &record{
		changed: make(chan struct{}), attempts: map[string]*list.Element{},
		order: list.New(), gates: map[string]chan struct{}{},
	}
}

// add remembers a request and gives it its number and attempt.
func (r *record) add(req Request, key string) Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.number++
	req.Number, req.Attempt = r.number, r.countLocked(key)
	if len(r.requests) >= maxRequests {
		r.requests = append(r.requests[:0], r.requests[maxRequests/10:]...)
	}
	r.requests = append(r.requests, req)
	close(r.changed)
	r.changed = make(chan struct{})
	return req
}

func (r *record) countLocked(key string) int {
	if e, ok := r.attempts[key]; ok {
		a := e.Value.(*attempt)
		a.count++
		r.order.MoveToBack(e)
		return a.count
	}
	if r.order.Len() >= maxAttempts {
		oldest := r.order.Remove(r.order.Front()).(*attempt)
		delete(r.attempts, oldest.key)
	}
	r.attempts[key] = r.order.PushBack(&attempt{key: key, count: 1})
	return 1
}

// gate is the channel of a key, and false when there are too many keys.
func (r *record) gate(key string) (chan struct{}, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if g, ok := r.gates[key]; ok {
		return g, true
	}
	if len(r.gates) >= maxGates {
		return nil, false
	}
	g := make(chan struct{})
	r.gates[key] = g
	return g, true
}

// Release lets every request that holds at [wait KEY] go on, and those that
// come to it later.
func (m *Model) Release(key string) {
	g, ok := m.record.gate(key)
	if !ok {
		return
	}
	m.record.mu.Lock()
	defer m.record.mu.Unlock()
	select {
	case <-g:
	default:
		close(g)
	}
}

// Requests are the last requests, oldest first; at most 2000.
func (m *Model) Requests() []Request {
	m.record.mu.Lock()
	defer m.record.mu.Unlock()
	return append([]Request(nil), m.record.requests...)
}

// Count is how many of Requests match.
func (m *Model) Count(match func(Request) bool) int {
	n := 0
	for _, r := range m.Requests() {
		if match(r) {
			n++
		}
	}
	return n
}

// Await waits for a request that matches; one that has already come counts.
func (m *Model) Await(ctx context.Context, match func(Request) bool) (Request, error) {
	for {
		m.record.mu.Lock()
		changed := m.record.changed
		seen := append([]Request(nil), m.record.requests...)
		m.record.mu.Unlock()
		for _, r := range seen {
			if match(r) {
				return r, nil
			}
		}
		select {
		case <-changed:
		case <-m.done:
			return Request{}, ErrClosed
		case <-ctx.Done():
			return Request{}, fmt.Errorf("wait for a request to the scripted model (%d seen): %w", len(seen), ctx.Err())
		}
	}
}
