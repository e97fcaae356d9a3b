package claude

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
)

// Content is what a prompt may hold, in the one form in which we write it: a string, or an array of blocks. It is
// made by ParseContent alone.
type Content json.RawMessage

// MarshalJSON gives it as it is.
func (c Content) MarshalJSON() ([]byte, error) { return c, nil }

const (
	// MaxContentBytes is more than the Messages API takes in one request.
	MaxContentBytes = 24 << 20
	maxBlocks       = 200
)

// ErrContentTooLarge is a content of more than MaxContentBytes.
var ErrContentTooLarge = errors.New("the prompt is too large")

type block struct {
	Type         string          `json:"type"`
	Text         string          `json:"text,omitempty"`
	Source       *source         `json:"source,omitempty"`
	Title        string          `json:"title,omitempty"`
	Context      string          `json:"context,omitempty"`
	CacheControl json.RawMessage `json:"cache_control,omitempty"`
}

type source struct {
	Type      string `json:"type"`
	MediaType string `json:"media_type,omitempty"`
	Data      string `json:"data,omitempty"`
	URL       string `json:"url,omitempty"`
}

// ParseContent checks a prompt's content and writes it anew: what the API would refuse must not get into a
// conversation, since it would be refused again with every later prompt. Its error is an *InputError or
// ErrContentTooLarge.
func ParseContent(raw json.RawMessage) (Content, error) {
	if len(raw) > MaxContentBytes {
		return nil, ErrContentTooLarge
	}
	switch t := bytes.TrimLeft(raw, " \t\r\n"); {
	case len(t) == 0:
		return nil, &InputError{"content", "is missing"}
	case t[0] == '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, &InputError{"content", "is not valid JSON"}
		}
		if strings.TrimSpace(s) == "" {
			return nil, &InputError{"content", "is empty"}
		}
		return encode(s)
	case t[0] != '[':
		return nil, &InputError{"content", "must be a string or an array of content blocks"}
	}
	var raws []json.RawMessage
	if err := json.Unmarshal(raw, &raws); err != nil {
		return nil, &InputError{"content", "is not valid JSON"}
	}
	if len(raws) == 0 || len(raws) > maxBlocks {
		return nil, &InputError{"content", fmt.Sprintf("must have from 1 to %d blocks", maxBlocks)}
	}
	blocks := make([]block, len(raws))
	for i, r := range raws {
		at := fmt.Sprintf("content[%d]", i)
		d := json.NewDecoder(bytes.NewReader(r))
		d.DisallowUnknownFields()
		if err := d.Decode(&blocks[i]); err != nil {
			return nil, &InputError{at, "is not a content block: " + decodeText(err)}
		}
		if err := blocks[i].check(at); err != nil {
			return nil, err
		}
	}
	return encode(blocks)
}

func decodeText(err error) string {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "it ends early"
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

func (b *block) check(at string) error {
	if len(b.CacheControl) > 0 && !isKind(b.CacheControl, '{') {
		return &InputError{at + ".cache_control", "must be an object"}
	}
	if b.Type != "document" && (b.Title != "" || b.Context != "") {
		return &InputError{at, "has a title or a context, which only a document has"}
	}
	switch b.Type {
	case "text":
		if b.Source != nil {
			return &InputError{at + ".source", "does not belong to a text"}
		}
		if strings.TrimSpace(b.Text) == "" {
			return &InputError{at + ".text", "is empty"}
		}
		return nil
	case "image", "document":
		if b.Text != "" {
			return &InputError{at + ".text", "does not belong to a block of type " + b.Type}
		}
		if b.Source == nil {
			return &InputError{at + ".source", "is missing"}
		}
		return b.Source.check(b.Type, at+".source")
	case "tool_result", "tool_use", "thinking":
		return &InputError{at + ".type", "may not be sent as a prompt"}
	}
	return &InputError{at + ".type", "must be text, image or document"}
}

var (
	imageTypes    = []string{"image/png", "image/jpeg", "image/gif", "image/webp"}
	documentTypes = []string{"application/pdf"}
)

func (s *source) check(kind, at string) error {
	switch s.Type {
	case "base64":
		types := imageTypes
		if kind == "document" {
			types = documentTypes
		}
		if !slices.Contains(types, s.MediaType) {
			return &InputError{at + ".media_type", "must be " + strings.Join(types, " or ")}
		}
		if s.URL != "" {
			return &InputError{at + ".url", "does not belong to a base64 source"}
		}
		if n, err := io.Copy(io.Discard, base64.NewDecoder(base64.StdEncoding.Strict(), strings.NewReader(s.Data))); err != nil || n == 0 || strings.ContainsAny(s.Data, "\r\n") {
			return &InputError{at + ".data", "must be base64"}
		}
		return nil
	case "url":
		u, err := url.Parse(s.URL)
		if err != nil || u.Scheme != "https" || u.Host == "" {
			return &InputError{at + ".url", "must be an https address"}
		}
		if s.Data != "" || s.MediaType != "" {
			return &InputError{at, "has data or a media type beside its url"}
		}
		return nil
	case "text":
		if kind != "document" || s.MediaType != "text/plain" {
			return &InputError{at, "may be text only in a document, as text/plain"}
		}
		if strings.TrimSpace(s.Data) == "" || s.URL != "" {
			return &InputError{at + ".data", "is empty"}
		}
		return nil
	}
	return &InputError{at + ".type", "must be base64, url or text"}
}
