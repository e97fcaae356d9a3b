// Package allowance bounds the memory that what one user sends and fetches
// takes at one time, over all of their connections: what the server holds for
// one person must not grow with what they begin and do not end.
package allowance

import (
	"context"
	"sync"
)

// Users has the allowances of all who hold something, or may soon.
type Users struct {
	most int

	mu  sync.Mutex
	all map[int64]*Allowance // guarded by mu
}

// NewUsers gives each user an allowance of so many bytes.
func NewUsers(most int) *Users {
	return &Users{most: most, all: map[int64]*Allowance{}}
}

// Enter gives a user's allowance, the same one to all who have entered and not left.
func (u *Users) Enter(user int64) *Allowance {
	u.mu.Lock()
	defer u.mu.Unlock()
	a := u.all[user]
	if a == nil {
		a = &Allowance{user: user, most: u.most}
		u.all[user] = a
	}
	a.entered++
	return a
}

// Leave ends what Enter began. All that was taken has been given back.
func (u *Users) Leave(a *Allowance) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if a.entered--; a.entered == 0 {
		delete(u.all, a.user)
	}
}

// Allowance is one user's.
type Allowance struct {
	user    int64
	most    int
	entered int // guarded by the mu of Users

	mu   sync.Mutex
	held int           // guarded by mu
	room chan struct{} // guarded by mu; closed and replaced when something was given back, nil when nobody waits
}

// Take takes n bytes if there are as many. Who holds nothing may take any number.
func (a *Allowance) Take(n int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.takeLocked(n)
}

// Wait takes n bytes as soon as there are as many. The error is ctx's cause.
func (a *Allowance) Wait(ctx context.Context, n int) error {
	for {
		a.mu.Lock()
		if a.takeLocked(n) {
			a.mu.Unlock()
			return nil
		}
		if a.room == nil {
			a.room = make(chan struct{})
		}
		room := a.room
		a.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (a *Allowance) takeLocked(n int) bool {
	if a.held > 0 && a.held+n > a.most {
		return false
	}
	a.held += n
	return true
}

// Give gives n bytes back.
func (a *Allowance) Give(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held -= n
	if a.room != nil {
		close(a.room)
		a.room = nil
	}
}
