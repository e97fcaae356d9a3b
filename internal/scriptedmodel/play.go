package scriptedmodel

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// player gives one reply, token by token, to one request.
type player struct {
	model   *Model
	ctx     context.Context // the request's
	reply   reply
	attempt int
	limit   int // max_tokens
	pace    time.Duration
	name    string // the model's, as asked for
	id      string
	usage   usage
	whole   func(stop string) // told when all of the answer has been played

	out    sink
	tokens int // so far
	blocks int
	open   string // the kind of the block that is open
	begun  bool
}

// play answers, or ends the connection in the middle where that was ordered or
// the model is closed.
func (p *player) play(w http.ResponseWriter, stream bool) {
	if f, ok := p.fault(faultStatus); ok {
		p.fail(w, f)
		return
	}
	if f, ok := p.fault(faultHang); ok {
		if p.sleep(f.silence) != nil {
			panic(http.ErrAbortHandler)
		}
	}
	p.out = &wholeSink{w: w}
	if stream {
		p.out = &sseSink{w: w}
	} else { // these are faults of streams
		p.drop(faultDrop, faultStall, faultEvent)
	}
	if err := p.playAll(); err != nil && !errors.Is(err, errEnded) {
		p.model.opts.Logger.Debug("scripted answer cut", "id", p.id, "err", err)
		panic(http.ErrAbortHandler) // the way to cut a connection without an end that looks whole
	}
}

// errEnded ends an answer early but in order: an error event was its last.
var errEnded = errors.New("ended by an error event")

func (p *player) playAll() error {
	stop := p.reply.stop
	for _, a := range p.reply.acts {
		var err error
		switch a.kind {
		case actPace:
			p.pace = a.pace
		case actWait:
			err = p.wait(a.key)
		case actText:
			err = p.text("text", a.tokens)
		case actThink:
			err = p.text("thinking", a.tokens)
		case actTool:
			err = p.toolUse(a.tool)
		}
		if err != nil {
			return err
		}
		if p.full() {
			stop = "max_tokens"
			break
		}
	}
	if err := p.begin(); err != nil {
		return err
	}
	if err := p.strike(true); err != nil {
		return err
	}
	if err := p.closeBlock(); err != nil {
		return err
	}
	p.usage.OutputTokens = max(p.tokens, 1)
	delta := p.usage.delta()
	if err := p.out.send(event{Type: "message_delta", Delta: stopDelta{StopReason: stop}, Usage: &delta}); err != nil {
		return err
	}
	if err := p.check(); err != nil {
		return err // nobody is there to read it
	}
	p.whole(stop)
	if err := p.out.send(event{Type: "message_stop"}); err != nil {
		return err
	}
	return p.out.flush()
}

// begin sends message_start, and the ping that the API sends behind it.
func (p *player) begin() error {
	if p.begun {
		return nil
	}
	p.begun = true
	start := apiMessage{ID: p.id, Type: "message", Role: "assistant", Model: p.name, Content: []contentBlock{}, Usage: p.usage}
	if err := p.out.send(event{Type: "message_start", Message: &start}); err != nil {
		return err
	}
	if err := p.out.send(event{Type: "ping"}); err != nil {
		return err
	}
	return p.out.flush()
}

func (p *player) openBlock(kind string, b contentBlock) error {
	if err := p.begin(); err != nil {
		return err
	}
	if err := p.closeBlock(); err != nil {
		return err
	}
	p.open = kind
	index := p.blocks
	return p.out.send(event{Type: "content_block_start", Index: &index, ContentBlock: &b})
}

func (p *player) closeBlock() error {
	if p.open == "" {
		return nil
	}
	if p.open == "thinking" {
		signature := base64.StdEncoding.EncodeToString([]byte("scripted " + p.id))
		if err := p.delta(contentDelta{Type: "signature_delta", Signature: &signature}); err != nil {
			return err
		}
	}
	index := p.blocks
	p.open = ""
	p.blocks++
	if err := p.out.send(event{Type: "content_block_stop", Index: &index}); err != nil {
		return err
	}
	return p.out.flush()
}

func (p *player) delta(d contentDelta) error {
	index := p.blocks
	return p.out.send(event{Type: "content_block_delta", Index: &index, Delta: d})
}

func (p *player) text(kind string, tokens []string) error {
	empty := ""
	if len(tokens) == 0 {
		return nil
	}
	if p.open != kind {
		b := contentBlock{Type: "text", Text: &empty}
		if kind == "thinking" {
			b = contentBlock{Type: "thinking", Thinking: &empty, Signature: &empty}
		}
		if err := p.openBlock(kind, b); err != nil {
			return err
		}
	}
	for i := range tokens {
		d := contentDelta{Type: "text_delta", Text: &tokens[i]}
		if kind == "thinking" {
			d = contentDelta{Type: "thinking_delta", Thinking: &tokens[i]}
		}
		if err := p.strike(false); err != nil {
			return err
		}
		if err := p.delta(d); err != nil {
			return err
		}
		p.tokens++
		if p.tokens%p.model.opts.TokensPerFlush == 0 || i == len(tokens)-1 {
			if err := p.out.flush(); err != nil {
				return err
			}
		}
		if err := p.sleepPace(); err != nil {
			return err
		}
		if p.full() {
			return nil
		}
	}
	return nil
}

// toolUse sends a call's input in pieces, as the API does, an empty one first.
func (p *player) toolUse(u toolUse) error {
	const pieceBytes = 32
	input, err := json.Marshal(u.Input)
	if err != nil {
		return fmt.Errorf("encode the input of %s: %w", u.Name, err)
	}
	b := contentBlock{Type: "tool_use", ID: toolUseID(p.id, p.blocks+1), Name: u.Name, Input: json.RawMessage("{}")}
	if err := p.openBlock("tool_use", b); err != nil {
		return err
	}
	for _, piece := range append([]string{""}, pieces(string(input), pieceBytes)...) {
		if err := p.strike(false); err != nil {
			return err
		}
		if err := p.delta(contentDelta{Type: "input_json_delta", PartialJSON: &piece}); err != nil {
			return err
		}
		if piece != "" {
			p.tokens += tokensIn(len(piece))
			if err := p.sleepPace(); err != nil {
				return err
			}
		}
	}
	return p.closeBlock()
}

// pieces cuts a string after about n bytes, between characters.
func pieces(s string, n int) []string {
	var out []string
	start := 0
	for i := range s {
		if i-start >= n {
			out = append(out, s[start:i])
			start = i
		}
	}
	return append(out, s[start:])
}

// full says that max_tokens is reached; a tool call is never cut.
func (p *player) full() bool { return p.limit > 0 && p.tokens >= p.limit && p.open != "tool_use" }

func (p *player) sleepPace() error {
	if p.pace <= 0 {
		return p.check()
	}
	if p.model.opts.TokensPerFlush > 1 {
		if p.tokens%p.model.opts.TokensPerFlush != 0 {
			return nil
		}
		return p.sleep(p.pace * time.Duration(p.model.opts.TokensPerFlush))
	}
	return p.sleep(p.pace)
}
