package quota_test

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/quota"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/runtime/instancedir"
)

func TestDefaultIsValid(t *testing.T) {
	if err := quota.Default().Validate("quota"); err != nil {
		t.Error(err)
	}
}

func TestValidateNamesEveryField(t *testing.T) {
	less := int64(-1)
	err := quota.Quota{Instances: 2, LiveSessions: -1, CPU: math.NaN(), MemoryBytes: 1, PIDs: 1, StorageBytes: 1, Inodes: 1, TokensPerDay: &less, TokensPerMonth: &less}.Validate("body")
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.Invalid || f.Detail == "" {
		t.Fatalf("got %v; want invalid", err)
	}
	// The names are those of the JSON.
	b, err := json.Marshal(quota.Default())
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(b, &fields); err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, field := range f.Fields {
		got = append(got, field.Location)
	}
	for name := range fields {
		want = append(want, "body."+name)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("fields at fault %v; want all: %v", got, want)
	}
}

func TestBorders(t *testing.T) {
	zero := int64(0)
	for _, c := range []struct {
		name   string
		change func(*quota.Quota)
		ok     bool
	}{
		{"no instance", func(q *quota.Quota) { q.Instances = 0 }, true},
		{"two instances", func(q *quota.Quota) { q.Instances = 2 }, false},
		{"no session", func(q *quota.Quota) { q.LiveSessions = 0 }, true},
		{"no token", func(q *quota.Quota) { q.TokensPerDay, q.TokensPerMonth = &zero, &zero }, true},
		{"least memory", func(q *quota.Quota) { q.MemoryBytes = 128 << 20 }, true},
		{"too little memory", func(q *quota.Quota) { q.MemoryBytes = 128<<20 - 1 }, false},
		{"all memory there is", func(q *quota.Quota) { q.MemoryBytes = math.MaxInt64 }, false},
		{"no cpu", func(q *quota.Quota) { q.CPU = 0 }, false},
		{"a bit of cpu", func(q *quota.Quota) { q.CPU = 0.1 }, true},
		{"next to no cpu", func(q *quota.Quota) { q.CPU = 1e-9 }, false},
		{"endless cpu", func(q *quota.Quota) { q.CPU = math.Inf(1) }, false},
		{"most storage", func(q *quota.Quota) { q.StorageBytes = 16 << 40 }, true},
		{"more storage", func(q *quota.Quota) { q.StorageBytes = 16<<40 + 1 }, false},
		{"most inodes", func(q *quota.Quota) { q.Inodes = 1<<32 - 1 }, true},
		{"more inodes", func(q *quota.Quota) { q.Inodes = 1 << 32 }, false},
		{"most processes", func(q *quota.Quota) { q.PIDs = 1 << 22 }, true},
	} {
		q := quota.Default()
		c.change(&q)
		if err := q.Validate("body"); (err == nil) != c.ok {
			t.Errorf("%s: %v; want ok %v", c.name, err, c.ok)
		}
	}
}

// What an administrator may set, a runtime takes: else the person is told of a
// limit out of range each time they come.
func TestWhatPassesIsTakenByRuntimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := quota.Default()
		q.CPU = rapid.Float64().Draw(t, "cpu")
		q.MemoryBytes = rapid.Int64().Draw(t, "memory")
		q.PIDs = rapid.Int64Range(-1, 1<<23).Draw(t, "pids")
		q.StorageBytes = rapid.Int64Range(0, 1<<45).Draw(t, "storage")
		q.Inodes = rapid.Int64Range(0, 1<<33).Draw(t, "inodes")
		if q.Validate("body") != nil {
			return
		}
		if err := instancedir.ValidateLimits(runtime.Limits{CPU: q.CPU, MemoryBytes: q.MemoryBytes, PIDs: q.PIDs, StorageBytes: q.StorageBytes, Inodes: q.Inodes}); err != nil {
			t.Errorf("%+v passes, and a runtime says %v", q, err)
		}
	})
}
