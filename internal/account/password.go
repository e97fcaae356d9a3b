package account

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/argon2"

	"github.com/carrel-dev/carrel/internal/fault"
)

// production is what a password hash costs: 72 ms on one core of the small
// machine that Carrel is measured on, and 32 MiB while it runs.
var production = argon2id.Params{Memory: 32 << 10, Iterations: 3, Parallelism: 1, SaltLength: 16, KeyLength: 32}

const (
	// hashesAtOnce bounds what a storm of sign-ins may take of the machine: two
	// cores and 64 MiB. The rest of them wait their turn.
	hashesAtOnce = 2
	// hashWait is how long one waits for a turn: about 400 sign-ins at once pass.
	hashWait = 15 * time.Second
)

// passwords hashes and compares, a few at a time.
type passwords struct {
	params argon2id.Params
	slots  chan struct{} // holds one value per computation under way
	// change holds one value while a password is made: all who change or make one
	// stand in one line before the slots, so that who signs in has one of them at most before them.
	change chan struct{}
	dummy  string // compared with when there is no such user, for the time it takes

	mu       sync.Mutex
	changing map[int64]bool // guarded by mu; users who change their own password now
}

func newPasswords(params argon2id.Params) *passwords {
	random := make([]byte, params.SaltLength+params.KeyLength)
	rand.Read(random)
	b64 := base64.RawStdEncoding.EncodeToString
	return &passwords{
		params: params,
		slots:  make(chan struct{}, hashesAtOnce),
		change: make(chan struct{}, 1),
		dummy: fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, params.Memory, params.Iterations,
			params.Parallelism, b64(random[:params.SaltLength]), b64(random[params.SaltLength:])),
		changing: map[int64]bool{},
	}
}

// alone runs fn unless it runs already for the same user: with many changes at
// once one person would hold up those of everybody.
func (p *passwords) alone(userID int64, fn func() error) error {
	p.mu.Lock()
	busy := p.changing[userID]
	p.changing[userID] = true
	p.mu.Unlock()
	if busy {
		e := fault.New(fault.RateLimited, "Your password is being changed by another request. Try again when that is done.")
		e.RetryAfter = time.Second
		return e
	}
	defer func() {
		p.mu.Lock()
		delete(p.changing, userID)
		p.mu.Unlock()
	}()
	return fn()
}

// inTurn runs fn, which compares for somebody who signs in, while it holds one of the slots.
func (p *passwords) inTurn(ctx context.Context, fn func() error) error {
	return p.holding(ctx, fn, p.slots)
}

// inLine is inTurn for what makes a password.
func (p *passwords) inLine(ctx context.Context, fn func() error) error {
	return p.holding(ctx, fn, p.change, p.slots)
}

// holding runs fn while it has a place in each of the lines, which it takes in their order.
func (p *passwords) holding(ctx context.Context, fn func() error, lines ...chan struct{}) error {
	deadline := time.NewTimer(hashWait)
	defer deadline.Stop()
	for _, line := range lines {
		select {
		case line <- struct{}{}:
			defer func() { <-line }()
		case <-ctx.Done():
			return fmt.Errorf("wait for a turn to hash a password: %w", ctx.Err())
		case <-deadline.C:
			e := fault.New(fault.RateLimited, "Too many people are signing in at this moment. Try again in a few seconds.")
			e.RetryAfter = 5 * time.Second
			return e
		}
	}
	defer func() {
		if len(p.slots) == 1 {
			debug.FreeOSMemory() // the 32 MiB of a hash are otherwise kept for minutes
		}
	}()
	return fn()
}

// hash makes the hash to store.
func (p *passwords) hash(ctx context.Context, password string) (hash string, err error) {
	err = p.inLine(ctx, func() error {
		hash, err = p.make(password)
		return err
	})
	return hash, err
}

// make is hash for who is in line.
func (p *passwords) make(password string) (string, error) {
	hash, err := argon2id.CreateHash(password, &p.params)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return hash, nil
}

// matches compares; call it in turn. An empty hash matches nothing, in the same time.
func (p *passwords) matches(password, hash string) (bool, error) {
	known := hash != ""
	if !known {
		hash = p.dummy
	}
	ok, err := argon2id.ComparePasswordAndHash(password, hash)
	if err != nil {
		return false, fmt.Errorf("compare a password: %w", err)
	}
	return ok && known, nil
}
