package store

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/carrel-dev/carrel/internal/fault"
)

// Sizes of a page of a list.
const (
	DefaultLimit = 50
	MaxLimit     = 200
)

// maxCursor bounds what DecodeCursor looks at.
const maxCursor = 512

// Limit makes a page size from what a caller asked for: 0 or less is the default.
func Limit(asked int) int {
	if asked <= 0 {
		return DefaultLimit
	}
	return min(asked, MaxLimit)
}

// EncodeCursor makes the opaque cursor of a list from the sort key of the last
// row given. It is a position and no secret: each query applies its own rights.
func EncodeCursor(key any) string {
	b, err := json.Marshal(key)
	if err != nil {
		panic("store: a cursor's key cannot be JSON: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// DecodeCursor reads what EncodeCursor made of the same type of key.
func DecodeCursor[K any](cursor string) (K, error) {
	var key, none K
	bad := fault.InvalidField("query.cursor", "The cursor is not one that this list gave. Start again without it.")
	if len(cursor) > maxCursor {
		return none, bad
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		bad.Err = err
		return none, bad
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(&key); err != nil || d.More() || EncodeCursor(key) != cursor {
		bad.Err = err
		return none, bad
	}
	return key, nil
}
