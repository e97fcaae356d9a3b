package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// script is what a prompt asks for, in brackets: [say 30] pieces of text, which
// the scripted model understands as well; [first 40ms] before the first of
// them, [pace 20ms] between them; [blocks 1000] finished messages of their own.
type script struct {
	pieces, blocks int
	first, pace    time.Duration
}

// usualFirst is what a kept CLI of the real kind takes to the first piece, with a model that answers at once.
const usualFirst = 40 * time.Millisecond

var order = regexp.MustCompile(`\[(say|blocks|first|pace) ([0-9a-z.µ]+)\]`)

func scriptOf(prompt string) (script, error) {
	s := script{pieces: 1, first: usualFirst}
	for _, m := range order.FindAllStringSubmatch(prompt, -1) {
		var err error
		switch m[1] {
		case "say":
			s.pieces, err = strconv.Atoi(m[2])
		case "blocks":
			s.blocks, err = strconv.Atoi(m[2])
		case "first":
			s.first, err = time.ParseDuration(m[2])
		case "pace":
			s.pace, err = time.ParseDuration(m[2])
		}
		if err != nil {
			return s, fmt.Errorf("order %s: %w", m[0], err)
		}
	}
	return s, nil
}

// line is what of a line in matters.
type line struct {
	Type      string `json:"type"`
	RequestID string `json:"request_id"`
	UUID      string `json:"uuid"`
	Message   struct {
		Content json.RawMessage `json:"content"`
	} `json:"message"`
}

// voice writes the lines of one process.
type voice struct {
	out     *bufio.Writer
	session string
	n       int // lines with an id of their own
	err     error
}

func (v *voice) hear(raw []byte) error {
	var l line
	if err := json.Unmarshal(raw, &l); err != nil {
		return fmt.Errorf("parse an input line: %w", err)
	}
	switch l.Type {
	case "control_request":
		v.say(`{"type":"control_response","response":{"subtype":"success","request_id":%q,"response":{"commands":[],"agents":[],"models":[],"still_queued":[],"current_permission_mode":"default","output_style":"default"}}}`, l.RequestID)
	case "user":
		s, err := scriptOf(string(l.Message.Content))
		if err != nil {
			return err
		}
		v.turn(l, s)
	}
	return v.flush()
}

// say writes one line; what goes wrong is kept for flush.
func (v *voice) say(format string, args ...any) {
	if v.err == nil {
		_, v.err = fmt.Fprintf(v.out, format+"\n", args...)
	}
}

func (v *voice) flush() error {
	if v.err == nil {
		v.err = v.out.Flush()
	}
	return v.err
}

// tagged writes a line with what the CLI puts at the end of each.
func (v *voice) tagged(body string) {
	v.n++
	v.say(`{%s,"session_id":%q,"parent_tool_use_id":null,"uuid":"00000000-0000-4000-8000-%012d"}`, body, v.session, v.n)
}

const (
	model     = "claude-stand-in"
	usage     = `"usage":{"input_tokens":12,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1,"service_tier":"standard"}`
	piece     = "carrel "
	messageID = "msg_000000000000000000000001"
)

// turn is one answer, in the CLI's order and with lines of about its lengths.
func (v *voice) turn(l line, s script) {
	v.say(`{"type":"command_lifecycle","state":"queued","command_uuid":%q}`, l.UUID)
	v.say(`{"type":"command_lifecycle","state":"started","command_uuid":%q}`, l.UUID)
	v.tagged(`"type":"system","subtype":"session_state_changed","state":"running"`)
	v.tagged(`"type":"system","subtype":"init","cwd":"/","tools":[],"mcp_servers":[],"model":"` + model + `","permissionMode":"default","slash_commands":[]`)
	v.tagged(`"type":"system","subtype":"status","status":"requesting"`)
	v.wait(s.first)
	v.say(`{"type":"user","message":{"role":"user","content":%s},"session_id":%q,"parent_tool_use_id":null,"uuid":%q,"isReplay":true}`, l.Message.Content, v.session, l.UUID)
	v.piecewise(s)
	for i := range s.blocks {
		v.message(fmt.Sprintf("block %d of %d: %s", i+1, s.blocks, strings.Repeat(piece, 10)))
	}
	v.tagged(`"type":"result","subtype":"success","is_error":false,"result":"said","num_turns":1,"stop_reason":"end_turn","total_cost_usd":0,"modelUsage":{},"user_message_uuids":["` + l.UUID + `"],` + usage)
	v.tagged(`"type":"system","subtype":"session_state_changed","state":"idle"`)
	v.say(`{"type":"command_lifecycle","state":"completed","command_uuid":%q}`, l.UUID)
}

func (v *voice) piecewise(s script) {
	v.stream(`{"type":"message_start","message":{"id":"` + messageID + `","type":"message","role":"assistant","model":"` + model + `","content":[],"stop_reason":null,"stop_sequence":null,` + usage + `}}`)
	v.stream(`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`)
	for i := range s.pieces {
		if i > 0 && s.pace > 0 {
			v.wait(s.pace)
		}
		v.stream(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"` + piece + `"}}`)
	}
	v.message(strings.Repeat(piece, s.pieces))
	v.stream(`{"type":"content_block_stop","index":0}`)
	v.stream(`{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":` + strconv.Itoa(s.pieces) + `}}`)
	v.stream(`{"type":"message_stop"}`)
}

func (v *voice) stream(event string) {
	v.tagged(`"type":"stream_event","event":` + event + `,"api_message_id":"` + messageID + `"`)
}

func (v *voice) message(text string) {
	v.tagged(`"type":"assistant","message":{"id":"` + messageID + `","type":"message","role":"assistant","model":"` + model + `","content":[{"type":"text","text":"` + text + `"}],"stop_reason":null,"stop_sequence":null,` + usage + `,"context_management":null}`)
}

// wait lets what was said be read, and then some time pass: what a model takes.
func (v *voice) wait(d time.Duration) {
	if v.flush() == nil {
		time.Sleep(d)
	}
}
