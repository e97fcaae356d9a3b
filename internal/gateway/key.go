package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Key is a credential. However it is printed, logged or encoded, it shows as
// "[set]" or "[not set]". The text is behind a pointer because fmt does not ask
// an unexported field of a struct how it wants to be printed.
type Key struct{ text *string }

// NewKey wraps a credential; "" is no key.
func NewKey(s string) Key {
	if s == "" {
		return Key{}
	}
	return Key{text: &s}
}

// Set tells whether there is a key.
func (k Key) Set() bool { return k.text != nil }

// reveal gives the credential: for the header of a request, and nothing else.
func (k Key) reveal() string {
	if k.text == nil {
		return ""
	}
	return *k.text
}

func (k Key) String() string {
	if k.Set() {
		return "[set]"
	}
	return "[not set]"
}

// GoString is what %#v prints.
func (k Key) GoString() string { return k.String() }

// Format makes every verb print the same.
func (k Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.String()) }

// LogValue is what slog writes.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalJSON never gives the key away.
func (k Key) MarshalJSON() ([]byte, error) { return json.Marshal(k.String()) }

// MarshalText never gives the key away.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalJSON reads the key from a settings file.
func (k *Key) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		return fmt.Errorf("the key must be a string") // the cause would quote it
	}
	*k = NewKey(strings.TrimSpace(s))
	return nil
}

// mask replaces the key in p by as many asterisks.
func (k Key) mask(p []byte) {
	secret := []byte(k.reveal())
	if len(secret) == 0 {
		return
	}
	for {
		i := bytes.Index(p, secret)
		if i < 0 {
			return
		}
		copy(p[i:], bytes.Repeat([]byte{'*'}, len(secret)))
		p = p[i+len(secret):]
	}
}

// maskText is mask for the texts of errors: net/http quotes what an upstream
// sent, and an upstream may send the key.
func (k Key) maskText(s string) string {
	b := []byte(s)
	k.mask(b)
	return string(b)
}

// maskingHandler takes the key out of what a library logs by slog.NewLogLogger,
// which is all in the message.
type maskingHandler struct {
	slog.Handler
	key Key
}

func (h maskingHandler) Handle(ctx context.Context, r slog.Record) error {
	r.Message = h.key.maskText(r.Message)
	return h.Handler.Handle(ctx, r)
}

// maskingBody masks the key in a body that passes, of the same length so that
// Content-Length stays true. Bytes are held back only while they could be the
// beginning of the key, which the end of an event never is.
type maskingBody struct {
	io.ReadCloser
	key  Key
	held []byte // read and not given yet
	err  error
}

func (b *maskingBody) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if safe := len(b.held) - b.beginning(); safe > 0 || b.err != nil {
			if b.err != nil {
				safe = len(b.held)
			}
			n := copy(p, b.held[:safe])
			b.held = b.held[:copy(b.held, b.held[n:])]
			if n == 0 {
				return 0, b.err
			}
			return n, nil
		}
		// Read into p itself: what is held is shorter than the key, and so the
		// memory stays bounded by the reader's buffer.
		n, err := b.ReadCloser.Read(p)
		b.held = append(b.held, p[:n]...)
		b.err = err
		b.key.mask(b.held)
	}
}

// beginning is the length of the longest end of held that the key begins with.
func (b *maskingBody) beginning() int {
	secret := []byte(b.key.reveal())
	for n := min(len(secret)-1, len(b.held)); n > 0; n-- {
		if bytes.HasPrefix(secret, b.held[len(b.held)-n:]) {
			return n
		}
	}
	return 0
}
