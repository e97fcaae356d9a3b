package socket

import (
	"context"
	"errors"
	"fmt"

	"github.com/coder/websocket"
)

// ending is why a connection ends, as the close frame says it. Its codes from
// 4000 on are part of the contract.
type ending struct {
	code   websocket.StatusCode
	reason string
}

func (e *ending) Error() string { return fmt.Sprintf("connection ends: %d %s", e.code, e.reason) }

// The endings.
var (
	endShutdown  = &ending{websocket.StatusGoingAway, "the server is stopping; reconnect"}
	endSignedOut = &ending{4401, "unauthenticated: signed out"}
	endSlow      = &ending{4408, "slow_consumer: fell behind; reconnect with after"}
	endSilent    = &ending{4409, "no answer to a ping"}
	endExited    = &ending{websocket.StatusNormalClosure, "exited"}
	endTooMuch   = &ending{websocket.StatusMessageTooBig, "too_large: a message without end"}
	endBroken    = &ending{websocket.StatusInternalError, "internal: try again"}
)

// errAccepted tells that the upgrade failed once it had been answered.
var errAccepted = errors.New("not a WebSocket request")

// Answered tells whether an error of Serve has been answered already.
func Answered(err error) bool { return errors.Is(err, errAccepted) }

// endingOf finds the ending in a context's cause. One that has none was ended by the peer.
func endingOf(ctx context.Context) *ending {
	var e *ending
	if errors.As(context.Cause(ctx), &e) {
		return e
	}
	return &ending{code: websocket.StatusNormalClosure}
}
