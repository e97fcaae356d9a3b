// Package session owns conversations as the server sees them: the catalogue in
// the store, and the way of prompts and events between a person's connections
// and the supervisor of their instance. The contents of a conversation are in
// the person's volume alone.
package session

import (
	"encoding/json"
	"time"
)

// Session is one conversation with Claude in one project.
type Session struct {
	ID             string          `json:"id"` // the CLI's UUID
	UserID         int64           `json:"-"`
	Project        string          `json:"project"`
	Title          string          `json:"title"`
	State          string          `json:"state"` // see supervisor/protocol
	Model          string          `json:"model"`
	PermissionMode string          `json:"permission_mode"`
	Effort         string          `json:"effort"`
	CreatedAt      time.Time       `json:"created_at"`
	LastActivityAt time.Time       `json:"last_activity_at"`
	SeenAt         time.Time       `json:"seen_at"` // the last activity that the person has seen, on any device
	LastSeq        int64           `json:"last_seq"`
	Usage          json.RawMessage `json:"usage"` // by model, as the CLI counts it; {} before the first result
	CostUSD        float64         `json:"cost_usd"`
}

// NewSession is what making one takes.
type NewSession struct {
	Project        string
	Title          string
	Model          string
	PermissionMode string
	Effort         string
}

// Change changes what is not nil.
type Change struct {
	Title          *string
	Model          *string
	PermissionMode *string
	Effort         *string
	SeenAt         *time.Time // never goes back
}

// Prompt is one prompt of a person. The same ID again runs nothing.
type Prompt struct {
	ID      string
	Content json.RawMessage // a string or Messages API content blocks
}

// Answer answers a permission request or a question of Claude's.
type Answer struct {
	RequestID          string
	Behavior           string // "allow" or "deny"
	UpdatedInput       json.RawMessage
	UpdatedPermissions json.RawMessage
	Message            string
	Interrupt          bool
}

// Notice tells one user's connections that something changed.
type Notice struct {
	Kind     string   `json:"kind"` // "session", "session_deleted", "instance", "quota", "queue"
	Session  *Session `json:"session,omitempty"`
	Instance any      `json:"instance,omitempty"` // pool.Stats, or nil when it is gone
}
