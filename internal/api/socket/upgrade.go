package socket

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// bufferBytes is for each direction of a connection. Most messages are pieces of
// text that fit, longer ones go past the buffer, and net/http's 4 KiB twice over
// would be a good part of what a quiet connection costs.
const bufferBytes = 1 << 10

// upgrade is an answer whose connection is taken over with buffers of ours. What the library refuses is not written:
// it is answered like any other error.
type upgrade struct {
	http.ResponseWriter
	refused bool
	why     strings.Builder
}

// Unwrap is for http.ResponseController.
func (w *upgrade) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *upgrade) WriteHeader(status int) {
	if w.refused = status >= http.StatusBadRequest; !w.refused {
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *upgrade) Write(b []byte) (int, error) {
	if w.refused {
		return w.why.Write(b)
	}
	return w.ResponseWriter.Write(b)
}

// Hijack is http.Hijacker's. What the client sent ahead stands in the reader's buffer, as net/http leaves it.
func (w *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, theirs, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("take over the connection: %w", err)
	}
	n := theirs.Reader.Buffered()
	ahead, err := theirs.Peek(n)
	if err != nil {
		return nil, nil, fmt.Errorf("read what came ahead: %w", err) // never: it is there
	}
	r := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(ahead), conn), max(bufferBytes, n))
	if _, err := r.Peek(n); err != nil {
		return nil, nil, fmt.Errorf("read what came ahead: %w", err)
	}
	return conn, bufio.NewReadWriter(r, bufio.NewWriterSize(conn, bufferBytes)), nil
}
