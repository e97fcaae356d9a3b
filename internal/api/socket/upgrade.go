package socket

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
)

// bufferBytes is for each direction of a connection. Most messages are pieces of
// text that fit, longer ones go past the buffer, and net/http's 4 KiB twice over
// would be a good part of what a quiet connection costs.
const bufferBytes = 1 << 10

// smallBuffers is an answer whose connection is taken over with buffers of ours.
type smallBuffers struct{ http.ResponseWriter }

// Unwrap is for http.ResponseController.
func (w smallBuffers) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack is http.Hijacker's. What the client sent ahead stands in the reader's buffer, as net/http leaves it.
func (w smallBuffers) Hijack() (net.Conn, *bufio.ReadWriter, error) {
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
