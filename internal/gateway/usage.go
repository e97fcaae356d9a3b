package gateway

import (
	"bytes"
	"encoding/json"
)

// Tokens of one request or of many, by kind.
type Tokens struct {
	Input         int64 `json:"input_tokens"`
	Output        int64 `json:"output_tokens"`
	CacheCreation int64 `json:"cache_creation_tokens"`
	CacheRead     int64 `json:"cache_read_tokens"`
}

// Total is what counts against a budget: all kinds alike. Tokens read from the
// cache are cheaper, but a budget that ignored them could be overrun by them.
func (t Tokens) Total() int64 { return t.Input + t.Output + t.CacheCreation + t.CacheRead }

// Plus adds two.
func (t Tokens) Plus(o Tokens) Tokens {
	return Tokens{t.Input + o.Input, t.Output + o.Output, t.CacheCreation + o.CacheCreation, t.CacheRead + o.CacheRead}
}

// apiUsage is how the API reports tokens. What it repeats is cumulative.
type apiUsage struct {
	Input         int64 `json:"input_tokens"`
	Output        int64 `json:"output_tokens"`
	CacheCreation int64 `json:"cache_creation_input_tokens"`
	CacheRead     int64 `json:"cache_read_input_tokens"`
}

// maxTokens of one kind in one request: a bound on nonsense, so that no sum overflows.
const maxTokens = 1 << 32

func (t *Tokens) raise(u *apiUsage) {
	up := func(have *int64, now int64) { *have = max(*have, min(now, maxTokens)) }
	up(&t.Input, u.Input)
	up(&t.Output, u.Output)
	up(&t.CacheCreation, u.CacheCreation)
	up(&t.CacheRead, u.CacheRead)
}

// usage reads the tokens off an answer that passes. It sees the bytes after
// they were sent on and holds a bounded part of them.
type usage struct {
	model  string
	tokens Tokens
	// complete: the API said what the whole answer took. If not, the answer was
	// cut, and the output is what was reported or guessed from the text so far.
	complete bool

	told bool // the API said what the request took, if not yet the answer

	asked int64 // bytes of the request, where it is to be paid for
	text  int64 // bytes that passed: of a stream its text, else all
	feed  func(p []byte)
}

// bytesPerToken is a guess on the low side, for answers that were cut before
// the API reported: who cuts each one short must not write for nothing.
const bytesPerToken = 4

// maxGuess bounds the guess of a request, whose pictures are many more bytes
// than tokens: it is what most models take at all.
const maxGuess = 200_000

// sum is what the API reported, with a guess in the place of what it did not
// come to report.
func (u *usage) sum() (t Tokens, estimated bool) {
	t = u.tokens
	if !u.told && !u.complete {
		t.Input = min(u.asked/bytesPerToken, maxGuess)
	}
	if !u.complete {
		t.Output = max(t.Output, min(u.text/bytesPerToken, maxTokens))
	}
	return t, t != u.tokens
}

// json makes it read an answer of "stream": false.
func (u *usage) json() {
	s := &scan{want: []string{"model", "usage"}, found: func(key string, raw []byte) {
		switch key {
		case "model":
			u.setModel(raw)
		case "usage":
			var a apiUsage
			if json.Unmarshal(raw, &a) == nil {
				u.tokens.raise(&a)
				u.complete = true
			}
		}
	}}
	u.feed = func(p []byte) {
		u.text += int64(len(p))
		s.write(p)
	}
}

// bytes makes it count an answer of which it cannot know more.
func (u *usage) bytes() { u.feed = func(p []byte) { u.text += int64(len(p)) } }

func (u *usage) setModel(raw []byte) {
	var m string
	if json.Unmarshal(raw, &m) == nil && len(m) <= maxModelBytes {
		u.model = m
	}
}

const (
	maxModelBytes = 128
	maxEventBytes = 64 << 10 // a longer line is not one that reports tokens
)

// events makes it read a stream of server-sent events.
func (u *usage) events() {
	var line []byte
	tooLong := false
	u.feed = func(p []byte) {
		for len(p) > 0 {
			end := bytes.IndexByte(p, '\n')
			part := p
			if end >= 0 {
				part = p[:end]
			}
			if tooLong = tooLong || len(line)+len(part) > maxEventBytes; tooLong {
				u.text += int64(len(part)) // a long delta, most likely
			} else if end < 0 || len(line) > 0 {
				line = append(line, part...)
			}
			if end < 0 {
				return
			}
			switch {
			case tooLong:
				u.text += int64(len(line))
			case len(line) > 0:
				u.event(line)
			default: // a whole line in one piece is not copied
				u.event(part)
			}
			line, tooLong = line[:0], false
			p = p[end+1:]
		}
	}
}

func (u *usage) event(line []byte) {
	data, ok := bytes.CutPrefix(line, []byte("data:"))
	if !ok {
		return
	}
	var e struct {
		Type    string
		Message struct {
			Model string
			Usage *apiUsage
		}
		Usage *apiUsage
		Delta struct {
			Text        string
			Thinking    string
			PartialJSON string `json:"partial_json"`
		}
	}
	if json.Unmarshal(bytes.TrimSpace(data), &e) != nil {
		return
	}
	switch e.Type {
	case "message_start":
		if len(e.Message.Model) <= maxModelBytes {
			u.model = e.Message.Model
		}
		if e.Message.Usage != nil {
			u.tokens.raise(e.Message.Usage)
			u.told = true
		}
	case "error":
		u.told = true // of one that it never began it takes nothing
	case "content_block_delta":
		u.text += int64(len(e.Delta.Text) + len(e.Delta.Thinking) + len(e.Delta.PartialJSON))
	case "message_delta":
		if e.Usage != nil {
			u.tokens.raise(e.Usage)
			u.complete = true
		}
	}
}
