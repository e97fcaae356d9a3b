package allowance

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestAllowance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		users := NewUsers(100)
		a, same, other := users.Enter(1), users.Enter(1), users.Enter(2)
		if a != same || a == other {
			t.Fatal("a user has one allowance, and nobody else has it")
		}
		if !a.Take(60) || same.Take(41) || !same.Take(40) {
			t.Error("a hundred bytes are a hundred bytes")
		}
		if !other.Take(1000) || other.Take(1) {
			t.Error("who holds nothing may take any number, and then nothing")
		}
		taken := make(chan error)
		go func() { taken <- a.Wait(t.Context(), 50) }()
		synctest.Wait()
		a.Give(40)
		synctest.Wait()
		select {
		case err := <-taken:
			t.Fatalf("50 bytes of 40: %v", err)
		default:
		}
		a.Give(60)
		if err := <-taken; err != nil {
			t.Error(err)
		}
		gone, leave := context.WithCancelCause(t.Context())
		go func() { taken <- a.Wait(gone, 51) }()
		synctest.Wait()
		left := errors.New("left")
		leave(left)
		if err := <-taken; !errors.Is(err, left) {
			t.Errorf("got %v", err)
		}
		a.Give(50)
		users.Leave(a)
		if users.Enter(1) != a {
			t.Error("forgotten while somebody has it")
		}
		users.Leave(a)
		users.Leave(a)
		users.Leave(other)
		if len(users.all) != 0 {
			t.Errorf("left over: %v", users.all)
		}
	})
}
