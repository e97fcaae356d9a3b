package pool

import (
	"slices"
	"time"
)

// line is who waits for a place on this server. Its order is fair by user: each user has one turn in a round however
// many sessions of theirs wait, and a user's own sessions come in the order in which they came. The zero value is an
// empty line.
type line struct {
	users []*waiting // in the order of their turns
	begun bool       // somebody was given a place
}

// waiting is one user in line.
type waiting struct {
	userID   int64
	sessions []string  // first come first
	since    time.Time // since when they wait
}

// waiter is one session that waits.
type waiter struct {
	session string
	since   time.Time
}

// sync says which sessions of a user wait now. One that is new comes behind the user's others, and a user who is new
// behind all others. Only while nobody was given a place users stand by the time since when they wait: a server that
// has just started finds them in any order.
func (l *line) sync(userID int64, now []waiter) {
	i := slices.IndexFunc(l.users, func(u *waiting) bool { return u.userID == userID })
	if len(now) == 0 {
		if i >= 0 {
			l.users = slices.Delete(l.users, i, i+1)
		}
		return
	}
	var u *waiting
	if i >= 0 {
		u = l.users[i]
	} else {
		u = &waiting{userID: userID, since: slices.MinFunc(now, func(a, b waiter) int { return a.since.Compare(b.since) }).since}
		l.users = append(l.users, u)
		if !l.begun {
			slices.SortStableFunc(l.users, func(a, b *waiting) int { return a.since.Compare(b.since) })
		}
	}
	waits := func(session string) bool {
		return slices.ContainsFunc(now, func(w waiter) bool { return w.session == session })
	}
	u.sessions = slices.DeleteFunc(u.sessions, func(s string) bool { return !waits(s) })
	for _, w := range now {
		if !slices.Contains(u.sessions, w.session) {
			u.sessions = append(u.sessions, w.session)
		}
	}
}

// next takes the one whose turn it is out of the line. Their user's next turn comes after everybody's who waits.
func (l *line) next() (userID int64, session string, ok bool) {
	if len(l.users) == 0 {
		return 0, "", false
	}
	u := l.users[0]
	session = u.sessions[0]
	u.sessions = u.sessions[1:]
	l.users, l.begun = l.users[1:], true
	if len(u.sessions) > 0 {
		l.users = append(l.users, u)
	}
	return u.userID, session, true
}

// place is how many turns it takes until the user's nth session (from 0) has its place; 1 is the next.
func (l *line) place(userID int64, nth int) int {
	place, before := 0, true
	for _, u := range l.users {
		switch {
		case u.userID == userID:
			place += nth + 1
			before = false
		case before:
			place += min(len(u.sessions), nth+1)
		default:
			place += min(len(u.sessions), nth)
		}
	}
	return place
}

// len is how many wait.
func (l *line) len() (n int) {
	for _, u := range l.users {
		n += len(u.sessions)
	}
	return n
}

// of is a user's sessions in line, in order.
func (l *line) of(userID int64) []string {
	for _, u := range l.users {
		if u.userID == userID {
			return u.sessions
		}
	}
	return nil
}
