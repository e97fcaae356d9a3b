package pool

import (
	"time"

	"github.com/carrel-dev/carrel/internal/quota"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// States of an instance.
const (
	StatusStarting   = "starting"
	StatusActive     = "active"
	StatusIdle       = "idle"       // no process of the person's, untouched for a while
	StatusHibernated = "hibernated" // no process and no memory; the next touch wakes it
	StatusUnhealthy  = "unhealthy"
	StatusStopping   = "stopping"
)

// Stats is one instance as the API shows it.
type Stats struct {
	ID              string             `json:"id"`
	UserID          int64              `json:"user_id"`
	Status          string             `json:"status"`
	Runtime         string             `json:"runtime"`
	Workspace       string             `json:"workspace"`
	CreatedAt       time.Time          `json:"created_at"`
	LastActivityAt  time.Time          `json:"last_activity_at"`
	ActiveProcesses int                `json:"active_processes"`
	Processes       []protocol.Process `json:"processes"` // [] when there is none
	Health          Health             `json:"health"`
	Usage           runtime.Usage      `json:"usage"`
	Quota           quota.Quota        `json:"quota"`
	// Ahead is set while it was started ahead and its person has not come: for them there is no instance yet.
	Ahead bool `json:"-"`
}

// Health is what the periodic check found.
type Health struct {
	Status              string    `json:"status"` // "healthy", "degraded" (it works and lacks something) or "unhealthy"
	ConsecutiveFailures int       `json:"consecutive_failures"`
	LastCheckAt         time.Time `json:"last_check_at"`
	Detail              string    `json:"detail"`
	// Replacements are the last times that the instance was lost and made anew, the last one first.
	Replacements []Replacement `json:"replacements"`
}

// Replacement is one time that an instance was lost.
type Replacement struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"` // in words
}
