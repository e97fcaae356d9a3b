package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// talk is a conversation with a Claude process: a raw one, or one behind Carrel.
type talk interface {
	// ask sends a prompt and reads its turn.
	ask(ctx context.Context, prompt string) (turn, error)
	close() error
}

// turn is how long an answer took, from the prompt on.
type turn struct {
	first time.Duration // to the first piece of text
	end   time.Duration // to the result
}

// answerTimeout bounds a turn of the scripted model, which takes well under a second by itself.
const answerTimeout = time.Minute

// heard is a line of a stream, with the time at which it was read.
type heard struct {
	at   time.Time
	line json.RawMessage
}

// cliEvent is what of the CLI's lines matters here.
type cliEvent struct {
	Type    string `json:"type"`
	IsError bool   `json:"is_error"`
	Result  string `json:"result"`
	Code    string `json:"code"`   // of carrel.error
	Detail  string `json:"detail"` // of carrel.error
	Event   struct {
		Type  string `json:"type"`
		Delta struct {
			Text string `json:"text"`
		} `json:"delta"`
	} `json:"event"`
}

// follow reads events up to a turn's result.
func follow(ctx context.Context, began time.Time, lines <-chan heard) (turn, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var t turn
	last := "nothing"
	for {
		select {
		case h, ok := <-lines:
			if !ok {
				return t, fmt.Errorf("the stream ended in a turn; last was %s", last)
			}
			var e cliEvent
			if err := json.Unmarshal(h.line, &e); err != nil {
				return t, fmt.Errorf("read an event: %w", err)
			}
			last = e.Type
			switch {
			case e.Type == "stream_event" && e.Event.Delta.Text != "" && t.first == 0:
				t.first = h.at.Sub(began)
			case e.Type == "carrel.error":
				return t, fmt.Errorf("carrel.error %s: %s", e.Code, e.Detail)
			case e.Type == "result" && e.IsError:
				return t, fmt.Errorf("the turn failed: %s", e.Result)
			case e.Type == "result":
				if t.first == 0 {
					return t, errors.New("a turn without text")
				}
				t.end = h.at.Sub(began)
				return t, nil
			}
		case <-ctx.Done():
			return t, fmt.Errorf("wait for an answer (last was %s): %w", last, ctx.Err())
		}
	}
}
