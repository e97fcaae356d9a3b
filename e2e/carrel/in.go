package carrel

import "testing"

// In is the person as a subtest meets them: what fails, fails there.
func (p *Person) In(t testing.TB) *Person {
	q, s := *p, *p.s
	s.t = t
	q.s = &s
	return &q
}

// Server is the one that the person is signed in to.
func (p *Person) Server() *Server { return p.s }
