// Package runtime is the contract of what makes instances. Its makers are
// runtime/oci (containers) and runtime/bare (no isolation, for development);
// the server reaches either through the keeper, whose client is a Runtime too.
// runtimetest holds the suite that every maker must pass.
package runtime

import (
	"context"
	"net"
	"time"
)

// Limits is what a runtime enforces on one instance.
type Limits struct {
	CPU          float64 `json:"cpu"` // cores
	MemoryBytes  int64   `json:"memory_bytes"`
	PIDs         int64   `json:"pids"`
	StorageBytes int64   `json:"storage_bytes"`
	Inodes       int64   `json:"inodes"`
}

// Spec says what instance to make. Everything else (paths, uids, sockets) the
// runtime derives from it, so that a caller cannot ask for another user's.
type Spec struct {
	ID       string `json:"id"`       // matches IDPattern
	UserID   int64  `json:"user_id"`  // > 0
	Name     string `json:"name"`     // login name inside, matches NamePattern; home is /home/<name>
	Language string `json:"language"` // of the first README: "en" or "zh-CN"
	Limits   Limits `json:"limits"`
	// LiveSessions bounds the Claude processes at one time.
	LiveSessions int `json:"live_sessions"`
}

// Handle describes an instance that exists.
type Handle struct {
	Spec      Spec      `json:"spec"`
	Workspace string    `json:"workspace"` // path on the host, …/workspaces/user-<id>
	CreatedAt time.Time `json:"created_at"`
}

// Usage is what an instance uses now.
type Usage struct {
	CPUSeconds   float64 `json:"cpu_seconds"`
	MemoryBytes  int64   `json:"memory_bytes"`
	PIDs         int64   `json:"pids"`
	StorageBytes int64   `json:"storage_bytes"`
	Inodes       int64   `json:"inodes"`
	OOMKills     int64   `json:"oom_kills"` // since the instance was made
	// What of storage and inodes the person can have in all, which is less than their limits: the file system takes its
	// part, and the journal's reserve. 0: the limits.
	StorageMost int64 `json:"storage_most_bytes"`
	InodesMost  int64 `json:"inodes_most"`
}

// Runtime makes and removes instances. Every method may be called from any
// goroutine, and honours its context's deadline. What does not exist is a
// fault.NotFound; a sandbox that cannot be had is a fault.RuntimeUnavailable
// that says what to do, never a weaker sandbox.
type Runtime interface {
	// Name is the setting's value: "oci", "bare".
	Name() string
	// Create makes the instance and starts its supervisor; when it returns nil,
	// Dial succeeds. A user who has an instance already (of whatever id) is a
	// fault.Conflict. A Create that fails leaves nothing behind but the volume.
	Create(ctx context.Context, spec Spec) (Handle, error)
	// List gives every instance that still has anything of its own (process,
	// mount, folder), also after the caller or the runtime was restarted.
	List(ctx context.Context) ([]Handle, error)
	// Destroy ends all processes and removes mounts, cgroups and sockets; the
	// volume stays. When it returns nil, none of it is left. Twice is NotFound.
	Destroy(ctx context.Context, id string) error
	// Usage measures now.
	Usage(ctx context.Context, id string) (Usage, error)
	// Resize applies new limits to a running instance.
	Resize(ctx context.Context, id string, limits Limits) error
	// Dial connects to the supervisor's socket.
	Dial(ctx context.Context, id string) (net.Conn, error)
	// Check says what this machine lacks, and the command that mends it.
	Check(ctx context.Context) []Finding
	// DeleteVolume removes a user's files for ever. The user must have no instance.
	DeleteVolume(ctx context.Context, userID int64) error
}

// Snapshot is a person's home as it was at one time.
type Snapshot struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"` // one of the kinds below
	CreatedAt time.Time `json:"created_at"`
	Bytes     int64     `json:"bytes"` // that it takes on the host's disk
	// What is not in it and should be: how much, and the first of it with the reason. Told when it is taken.
	Skipped      int64  `json:"skipped,omitempty" doc:"How many files and folders could not be taken; told when the snapshot is taken, and only if there are any."`
	SkippedFirst string `json:"skipped_first,omitempty" doc:"The first of them, with the reason, for people."`
}

// Why a snapshot was taken.
const (
	SnapshotAsked  = "asked"
	SnapshotTimed  = "timed"
	SnapshotBefore = "before_restore"
)

// Keep bounds the snapshots of one user. Beyond it the oldest go.
type Keep struct {
	Count int   `json:"count"`
	Bytes int64 `json:"bytes"`
	// Spare is one that stays, whatever its age: it is about to be restored.
	Spare string `json:"spare,omitempty"`
}

// Snapshotter is a Runtime that keeps snapshots. What does not exist is a
// fault.NotFound.
type Snapshotter interface {
	// Snapshots gives those of a user, the newest first.
	Snapshots(ctx context.Context, userID int64) ([]Snapshot, error)
	// TakeSnapshot takes one, while the person works or not. One that alone is
	// larger than the bound is a fault.QuotaExceeded and leaves nothing.
	TakeSnapshot(ctx context.Context, userID int64, kind string, keep Keep) (Snapshot, error)
	// RestoreSnapshot puts it in the place of the home, whole or not at all: an
	// error that the runtime gives says that nothing was changed. The user must
	// have no instance; both must fit into the volume together.
	RestoreSnapshot(ctx context.Context, userID int64, id string) error
	DeleteSnapshot(ctx context.Context, userID int64, id string) error
}

// Finding is one line of `carrel doctor`.
type Finding struct {
	Name   string `json:"name"`   // "runc", "cgroups", "storage quota"
	State  string `json:"state"`  // "ok", "warn", "fail"
	Detail string `json:"detail"` // what was found
	Remedy string `json:"remedy,omitempty"`
}

// Patterns of what may be asked for. They are checked by every maker.
const (
	IDPattern   = `^i-[a-z0-9]{12}$`
	NamePattern = `^[a-z][a-z0-9_-]{0,30}$`
)
