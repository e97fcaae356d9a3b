package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/carrel-dev/carrel/internal/claude"
)

// Limit is a user's lease of tokens: what the server says may still be used.
type Limit struct {
	UserID int64 `json:"user_id"`
	// RemainingTokens as the server counted them from all records up to AsOfSeq
	// of this spool; nil: no limit. What was used since, the gateway knows itself.
	RemainingTokens *int64 `json:"remaining_tokens"`
	Spool           string `json:"spool"`
	AsOfSeq         int64  `json:"as_of_seq"`
	// ExpiresAt is when the server should have renewed it. A lease that expired
	// with tokens left is still good for those; one that is used up then says
	// that the server is away and not that the budget is gone.
	ExpiresAt time.Time `json:"expires_at"`
	// For the text that a person reads.
	Budget       string    `json:"budget"` // "day" or "month"
	BudgetTokens int64     `json:"budget_tokens"`
	ResetsAt     time.Time `json:"resets_at"`
}

// firstLease is what a user may use of whom the server has said nothing yet,
// which is so only for moments: neither stops a first turn nor opens a hole.
const firstLease = 1_000_000

const leasesFile = "leases.json"

// ledger owns who may use how much. It writes the spool and the leases
// together, so that a record is counted exactly once: in the server's figure or
// in ours.
type ledger struct {
	spool *spool
	path  string
	log   *slog.Logger

	mu     sync.Mutex
	leases map[int64]*lease // guarded by mu
}

type lease struct {
	Limit
	used int64 // since AsOfSeq
}

func openLedger(dir string, s *spool, log *slog.Logger) (*ledger, error) {
	l := &ledger{spool: s, path: filepath.Join(dir, leasesFile), log: log, leases: make(map[int64]*lease)}
	b, err := os.ReadFile(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read leases: %w", err)
	}
	var limits []Limit
	if err := json.Unmarshal(b, &limits); err != nil {
		log.Error("the leases on disk cannot be read; the server will send new ones", "error", err)
		return l, nil
	}
	for _, limit := range limits {
		l.setLocked(limit)
	}
	return l, nil
}

// set takes leases over and keeps them on disk, so that a restart while the
// server is away forgets no limit.
func (l *ledger) set(limits []Limit) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, limit := range limits {
		l.setLocked(limit)
	}
	all := make([]Limit, 0, len(l.leases))
	for _, have := range l.leases {
		if have.Spool != "" { // a first lease is not the server's word
			all = append(all, have.Limit)
		}
	}
	b, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("encode leases: %w", err)
	}
	f, err := writeDurably(l.path, b)
	if err != nil {
		return fmt.Errorf("write leases: %w", err)
	}
	return f.Close()
}

func (l *ledger) setLocked(limit Limit) {
	if limit.Spool != l.spool.id { // counted from another numbering, which is gone
		limit.Spool, limit.AsOfSeq = l.spool.id, 0
	}
	l.leases[limit.UserID] = &lease{Limit: limit, used: l.spool.used(limit.UserID, limit.AsOfSeq)}
}

// count writes a record and takes its tokens off the user's lease.
func (l *ledger) count(r Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	have := l.leaseLocked(r.UserID)
	have.used += l.spool.append(r).Total() // its number is beyond every lease's
}

func (l *ledger) leaseLocked(userID int64) *lease {
	have, ok := l.leases[userID]
	if !ok {
		tokens := int64(firstLease)
		have = &lease{Limit: Limit{UserID: userID, RemainingTokens: &tokens, ExpiresAt: time.Unix(0, 0)}, used: l.spool.used(userID, 0)}
		l.leases[userID] = have
	}
	return have
}

// check gives nil when the user may ask the model, else the answer.
func (l *ledger) check(userID int64, now time.Time) *apiError {
	l.mu.Lock()
	defer l.mu.Unlock()
	have := l.leaseLocked(userID)
	switch {
	case have.RemainingTokens == nil || have.used < *have.RemainingTokens:
		return nil
	case now.After(have.ExpiresAt):
		return errStaleLimits
	}
	what := "The token budget"
	switch have.Budget {
	case "day":
		what = "Today's token budget"
	case "month":
		what = "This month's token budget"
	}
	return &apiError{status: http.StatusTooManyRequests, kind: claude.BudgetExceeded, retryAfter: max(have.ResetsAt.Sub(now), 0),
		message: fmt.Sprintf("%s of %d tokens is used up. It starts anew at %s. An administrator can raise it before.",
			what, have.BudgetTokens, have.ResetsAt.UTC().Format("2006-01-02 15:04 UTC"))}
}
