package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"unicode/utf8"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/api/strictjson"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/workspace"
)

// What comes out of an instance is the person's own: it is read up to these
// bounds and believed in nothing that matters to others.
const (
	maxInsideBytes  = 8 << 20 // of a JSON answer
	maxProblemBytes = 64 << 10
)

// checkPath refuses a path before anything is asked with it. Inside it is
// resolved again, where it counts; there, too, a new name is kept to what can
// be shown, while one that a program left may hold anything.
func checkPath(u account.User, location, p string) error {
	_, err := workspace.Resolve("/home/"+u.Username, p)
	return fault.At(location, err)
}

// bodyPath is a path in a JSON body. JSON can say half a surrogate pair, which is no character: decoded it is U+FFFD, and
// what was asked for would be another file. So such a path is kept as what is not UTF-8, and refused with its field.
type bodyPath string

func (p *bodyPath) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return err
	}
	if *p = bodyPath(text); strictjson.HalfPair(raw) {
		*p = "\xff"
	}
	return nil
}

func (p bodyPath) check(u account.User, location string) error {
	if !utf8.ValidString(string(p)) {
		return fault.InvalidField(location, "The path has half of a character (an unpaired surrogate). Send whole ones.")
	}
	return checkPath(u, location, string(p))
}

// ask asks the file part inside the caller's instance and gives its JSON. in
// is the JSON to send, or nil.
func ask[T any](ctx context.Context, s *Server, method, path string, query url.Values, in any) (T, error) {
	var out T
	header := http.Header{}
	var content io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return out, fmt.Errorf("encode a question: %w", err)
		}
		header.Set("Content-Type", "application/json")
		content = bytes.NewReader(b)
	}
	res, err := s.deps.Desk.HTTP(ctx, caller(ctx).ID, method, path, query, header, content)
	if err != nil {
		return out, err
	}
	defer res.Body.Close()
	if err := insideProblem(res); err != nil {
		return out, err
	}
	return decodeInside[T](res)
}

// decodeInside reads a bounded JSON body; an answer without content has none.
func decodeInside[T any](res *http.Response) (T, error) {
	var out T
	if res.StatusCode == http.StatusNoContent {
		return out, nil
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxInsideBytes+1))
	if err == nil && len(b) > maxInsideBytes {
		err = errors.New("answer too large")
	}
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		return out, strangeAnswer(res.StatusCode, err)
	}
	return out, nil
}

// insideProblem is nil for an answer that went well, and else the fault that it tells of.
func insideProblem(res *http.Response) error {
	if res.StatusCode >= 200 && res.StatusCode < 300 || res.StatusCode == http.StatusNotModified {
		return nil
	}
	var p struct {
		Code   fault.Code    `json:"code"`
		Detail string        `json:"detail"`
		Errors []fault.Field `json:"errors"`
		Said   []fault.Text  `json:"said"`
	}
	err := json.NewDecoder(io.LimitReader(res.Body, maxProblemBytes)).Decode(&p)
	switch p.Code {
	case fault.NotFound, fault.Invalid, fault.Conflict, fault.Forbidden, fault.TooLarge, fault.PreconditionFailed, fault.QuotaExceeded:
		return fault.Told(p.Code, p.Detail, p.Errors, p.Said)
	}
	// What http.ServeContent refuses by itself, in plain text.
	switch res.StatusCode {
	case http.StatusPreconditionFailed:
		return fault.New(fault.PreconditionFailed, "The file was changed by something else since you loaded it. Load it again.")
	case http.StatusRequestedRangeNotSatisfiable:
		return fault.Fields(fault.RangeNotSatisfiable, fault.FieldAt("header.Range", "The file has no such range. Ask for one within its size, or for all of it."))
	}
	return strangeAnswer(res.StatusCode, err)
}

func strangeAnswer(status int, err error) error {
	return fault.Wrap(fmt.Errorf("answer from inside with status %d: %w", status, errOr(err)), fault.InstanceUnavailable,
		"Your files could not be reached. Try again in a moment; if that does not help, restart your instance.")
}

func errOr(err error) error {
	if err == nil {
		return errors.New("not an answer of ours")
	}
	return err
}

// query makes the query of a question about a page.
func (p Page) query() url.Values {
	q := url.Values{"limit": {strconv.Itoa(p.Limit)}}
	if p.Cursor != "" {
		q.Set("cursor", p.Cursor)
	}
	return q
}
