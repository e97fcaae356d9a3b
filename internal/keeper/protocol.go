// Package keeper is the one process of Carrel that runs as root: it makes and
// removes instances, hands their sockets to the gateway, and starts the
// gateway as its own unprivileged user. It reads no network and no file that a
// person can write. What it is asked over its unix socket is a few narrow
// requests that name a user and limits; paths, uids and commands are its own.
package keeper

import (
	"github.com/carrel-dev/carrel/internal/runtime"
)

// The procedures. Unknown fields are refused.
const (
	procStatus       = "/carrel.keeper/Status"
	procCreate       = "/carrel.keeper/Create"
	procDestroy      = "/carrel.keeper/Destroy"
	procList         = "/carrel.keeper/List"
	procUsage        = "/carrel.keeper/Usage"
	procResize       = "/carrel.keeper/Resize"
	procDeleteVolume = "/carrel.keeper/DeleteVolume"
	procHoldVolume   = "/carrel.keeper/HoldVolume"
	procSnapshots    = "/carrel.keeper/Snapshots"
	procTake         = "/carrel.keeper/TakeSnapshot"
	procRestore      = "/carrel.keeper/RestoreSnapshot"
	procDelete       = "/carrel.keeper/DeleteSnapshot"
	procCheck        = "/carrel.keeper/Check"
	procStop         = "/carrel.keeper/Stop"
)

type empty struct{}

// Status is what a keeper says of itself.
type Status struct {
	Version string `json:"version"`
	// Fingerprint is of the settings that it was started with.
	Fingerprint string `json:"fingerprint"`
	PID         int    `json:"pid"`
	Runtime     string `json:"runtime"`
	GatewayPID  int    `json:"gateway_pid"` // 0: not connected
	Claude      string `json:"claude"`      // version of the CLI, "" when there is none
}

type idRequest struct {
	ID string `json:"id"`
}

type userRequest struct {
	UserID int64 `json:"user_id"`
}

// heldVolume is the one message of a stream that lasts as long as the volume is wanted.
type heldVolume struct {
	Dir string `json:"dir"`
}

type takeRequest struct {
	UserID int64        `json:"user_id"`
	Kind   string       `json:"kind"`
	Keep   runtime.Keep `json:"keep"`
}

type snapshotRequest struct {
	UserID int64  `json:"user_id"`
	ID     string `json:"id"`
}

type snapshotsResponse struct {
	Snapshots []runtime.Snapshot `json:"snapshots"`
}

type resizeRequest struct {
	ID     string         `json:"id"`
	Limits runtime.Limits `json:"limits"`
}

type listResponse struct {
	Handles []runtime.Handle `json:"handles"`
}

type checkResponse struct {
	Findings []runtime.Finding `json:"findings"`
}

// StopRequest says what shall end. The keeper itself always does.
type StopRequest struct {
	Instances bool `json:"instances"` // destroy every instance
	Gateway   bool `json:"gateway"`
}
