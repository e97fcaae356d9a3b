package gateway

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

var errBodyStalled = errors.New("the request's body stalled")

// requestBody bounds the silence within a body, counts it, and reads the
// model's name off it. The transport may still read when the answer is done.
type requestBody struct {
	io.ReadCloser
	control *http.ResponseController

	mu    sync.Mutex
	scan  *scan  // guarded by mu; nil: the name is not looked for any more
	model string // guarded by mu
	read  int64  // guarded by mu
	ended bool   // guarded by mu: all of it went on to the API
}

func newRequestBody(r io.ReadCloser, control *http.ResponseController, named bool) *requestBody {
	b := &requestBody{ReadCloser: r, control: control}
	if named {
		b.scan = &scan{want: []string{"model"}, found: func(_ string, raw []byte) { // called with mu held
			var u usage
			u.setModel(raw)
			b.model, b.scan = u.model, nil
		}}
	}
	return b
}

func (b *requestBody) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(time.Now().Add(bodyTimeout)) // a connection without deadlines is gone anyway
	n, err := b.ReadCloser.Read(p)
	b.look(p[:n], errors.Is(err, io.EOF))
	if err != nil {
		// Cleared at once: net/http reads on, to see the client leave.
		_ = b.control.SetReadDeadline(time.Time{})
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = errBodyStalled
		}
	}
	return n, err
}

// maxScanned bytes of a body are looked at for the model's name, which comes first.
const maxScanned = 1 << 20

func (b *requestBody) look(p []byte, ended bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.read += int64(len(p))
	b.ended = b.ended || ended
	if b.scan == nil {
		return
	}
	s := b.scan
	s.write(p)
	if b.read > maxScanned {
		b.scan = nil
	}
}

// seen gives the model that the request names, and how much of it was read.
func (b *requestBody) seen() (model string, read int64, whole bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.model, b.read, b.ended
}
