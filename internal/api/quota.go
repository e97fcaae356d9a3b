package api

import (
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/quota"
)

// QuotaInput changes the limits that it names.
type QuotaInput struct {
	Instances      *int       `json:"instances,omitempty" minimum:"0" maximum:"1" example:"1" doc:"Instances: 0 or 1."`
	LiveSessions   *int       `json:"live_sessions,omitempty" minimum:"0" example:"3" doc:"Sessions with a Claude process at one time."`
	CPU            *float64   `json:"cpu,omitempty" minimum:"0.1" example:"2" doc:"Cores: 0.1 to 1024."`
	MemoryBytes    *int64     `json:"memory_bytes,omitempty" minimum:"0" example:"2147483648" doc:"Memory of the instance."`
	PIDs           *int64     `json:"pids,omitempty" minimum:"0" example:"512" doc:"Processes and threads."`
	StorageBytes   *int64     `json:"storage_bytes,omitempty" minimum:"0" example:"5368709120" doc:"Files and journals together."`
	Inodes         *int64     `json:"inodes,omitempty" minimum:"0" example:"500000" doc:"Files and folders."`
	TokensPerDay   tokenLimit `json:"tokens_per_day,omitzero" doc:"Tokens a day, from 00:00 UTC; null: no limit."`
	TokensPerMonth tokenLimit `json:"tokens_per_month,omitzero" doc:"Tokens a month, from its first day, 00:00 UTC; null: no limit."`
}

// over gives the quota that base becomes.
func (i QuotaInput) over(base quota.Quota) quota.Quota {
	set(&base.Instances, i.Instances)
	set(&base.LiveSessions, i.LiveSessions)
	set(&base.CPU, i.CPU)
	set(&base.MemoryBytes, i.MemoryBytes)
	set(&base.PIDs, i.PIDs)
	set(&base.StorageBytes, i.StorageBytes)
	set(&base.Inodes, i.Inodes)
	if i.TokensPerDay.given {
		base.TokensPerDay = i.TokensPerDay.value
	}
	if i.TokensPerMonth.given {
		base.TokensPerMonth = i.TokensPerMonth.value
	}
	return base
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// tokenLimit is a number, null (no limit), or not given (as it was).
type tokenLimit struct {
	given bool
	value *int64
}

func (t *tokenLimit) UnmarshalJSON(b []byte) error {
	t.given = true
	return json.Unmarshal(b, &t.value)
}

// Schema is for huma, which cannot see into the type.
func (tokenLimit) Schema(huma.Registry) *huma.Schema {
	zero := 0.0
	return &huma.Schema{Type: huma.TypeInteger, Format: "int64", Nullable: true, Minimum: &zero, Examples: []any{1000000}}
}
