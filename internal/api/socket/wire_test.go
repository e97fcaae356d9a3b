package socket

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/carrel-dev/carrel/internal/api/allowance"
)

// TestMessageThatDoesNotEnd: a connection ends with a message that was begun and does not come whole, and lets go of it.
func TestMessageThatDoesNotEnd(t *testing.T) {
	held := allowance.NewUsers(1 << 20).Enter(1)
	received := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			received <- err
			return
		}
		_, err = newWire(ws, held, 50*time.Millisecond).receive(MaxMessageBytes)
		received <- err
	}))
	t.Cleanup(server.Close)
	ws, _, err := websocket.Dial(t.Context(), server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.CloseNow() }()
	m, err := ws.Writer(t.Context(), websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(m, strings.Repeat("x", 100_000)); err != nil {
		t.Fatal(err)
	}
	if err := <-received; err == nil {
		t.Error("half a message is taken for one")
	}
	if !held.Take(1 << 20) {
		t.Error("what will never come is held")
	}
}
