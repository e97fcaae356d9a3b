// Package quota is the limits of one user: a plain value that accounts store,
// runtimes apply and the API shows.
package quota

import "github.com/carrel-dev/carrel/internal/fault"

// Quota limits one user. Zero means zero ("0 instances" refuses every one),
// except in the token limits, where nil means no limit.
type Quota struct {
	Instances      int     `json:"instances" koanf:"instances"`               // 0 or 1
	LiveSessions   int     `json:"live_sessions" koanf:"live_sessions"`       // sessions with a Claude process at one time
	CPU            float64 `json:"cpu" koanf:"cpu"`                           // cores
	MemoryBytes    int64   `json:"memory_bytes" koanf:"memory_bytes"`         //
	PIDs           int64   `json:"pids" koanf:"pids"`                         // processes and threads
	StorageBytes   int64   `json:"storage_bytes" koanf:"storage_bytes"`       // home and journal together
	Inodes         int64   `json:"inodes" koanf:"inodes"`                     // files and folders
	TokensPerDay   *int64  `json:"tokens_per_day" koanf:"tokens_per_day"`     // nil: no limit; days begin at 00:00 UTC
	TokensPerMonth *int64  `json:"tokens_per_month" koanf:"tokens_per_month"` // nil: no limit
}

// Default is what a new user gets when nothing else is configured.
func Default() Quota {
	return Quota{
		Instances:    1,
		LiveSessions: 3,
		CPU:          2,
		MemoryBytes:  2 << 30,
		PIDs:         512,
		StorageBytes: 5 << 30,
		Inodes:       500_000,
	}
}

// leastCPU is a tenth of a core: with less a conversation takes minutes to begin.
const leastCPU = 0.1

// Validate reports every field that is out of range. prefix names where the
// quota stands in the input ("body", "quota").
func (q Quota) Validate(prefix string) error {
	var fields []fault.Field
	check := func(ok bool, name, format string, args ...any) {
		if !ok {
			fields = append(fields, fault.FieldAt(prefix+"."+name, format, args...))
		}
	}
	check(q.Instances >= 0 && q.Instances <= 1, "instances", "must be 0 or 1")
	check(q.LiveSessions >= 0 && q.LiveSessions <= 1000, "live_sessions", "must be from 0 to 1000")
	check(q.CPU >= leastCPU && q.CPU <= 1024, "cpu", "must be from 0.1 to 1024 cores")
	check(q.MemoryBytes >= 128<<20 && q.MemoryBytes <= 1<<50, "memory_bytes", "must be from 134217728 (128 MiB) to 1 PiB")
	check(q.PIDs >= 32 && q.PIDs <= 1<<22, "pids", "must be from 32 to 4194304")
	check(q.StorageBytes >= 32<<20 && q.StorageBytes <= 16<<40, "storage_bytes", "must be from 33554432 (32 MiB) to 16 TiB")
	check(q.Inodes >= 1000 && q.Inodes <= 1<<32-1, "inodes", "must be from 1000 to 4294967295")
	check(q.TokensPerDay == nil || *q.TokensPerDay >= 0, "tokens_per_day", "must be null or at least 0")
	check(q.TokensPerMonth == nil || *q.TokensPerMonth >= 0, "tokens_per_month", "must be null or at least 0")
	if len(fields) == 0 {
		return nil
	}
	e := fault.New(fault.Invalid, "The quota has a value out of range: %s %s.", fields[0].Location, fields[0].Said())
	e.Fields = fields
	return e
}
