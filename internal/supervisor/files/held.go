package files

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Bounds of a look for prompts: rows with pictures in them are of some MiB.
const (
	maxHeldUUIDs = 200
	maxHeldRow   = 64 << 20
)

// heldPrompts says which of some prompts a conversation holds, and whether its last turn came to an end.
func (s *Server) heldPrompts(w http.ResponseWriter, r *http.Request) error {
	uuids := r.URL.Query()["uuid"]
	if len(uuids) > maxHeldUUIDs {
		return fault.InvalidField("uuid", "At most %d prompts can be asked for.", maxHeldUUIDs)
	}
	found, err := s.transcriptFiles(r.PathValue("id"))
	if err != nil {
		return err
	}
	var c conversation
	for _, t := range found {
		f, _, err := s.openFile(t.path)
		if err != nil {
			return err
		}
		err = c.read(f, uuids)
		_ = f.Close() // it was only read
		if err != nil {
			return err
		}
	}
	res := protocol.HeldResponse{UUIDs: []string{}, Unfinished: c.unfinished, Last: c.last}
	for _, u := range uuids {
		if c.prompts[u] {
			res.UUIDs = append(res.UUIDs, u)
		}
	}
	return answer(w, http.StatusOK, res)
}

// conversation is what of a transcript tells where it stands.
type conversation struct {
	prompts    map[string]bool // by uuid
	unfinished bool            // the last word is not Claude's
	last       string          // what it answers, or was to
}

// The parts of a row that are looked at, and how it is known that there are some, without reading all of it.
type row struct {
	Type       string   `json:"type"`
	UUID       string   `json:"uuid"`
	Sidechain  bool     `json:"isSidechain"`
	Merged     []string `json:"mergedSendUuids"`
	Attachment struct {
		Type   string `json:"type"`
		Source string `json:"source_uuid"`
	} `json:"attachment"`
	Message struct {
		StopReason string          `json:"stop_reason"`
		Content    json.RawMessage `json:"content"`
	} `json:"message"`
}

var spoken = [][]byte{[]byte(`"type":"user"`), []byte(`"type":"assistant"`), []byte(`"queued_command"`)}

// read takes in the rows of a transcript. A prompt stands there as a message of its own, merged into that of another
// which waited with it, or taken into the turn that ran. What merely waited in the CLI's queue is not in the
// conversation.
func (c *conversation) read(r io.Reader, uuids []string) error {
	c.prompts = map[string]bool{}
	in := bufio.NewReaderSize(r, 256<<10)
	var raw []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(raw)+len(part) <= maxHeldRow {
			raw = append(raw, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if slices.ContainsFunc(spoken, func(s []byte) bool { return bytes.Contains(raw, s) }) {
			c.take(raw, uuids)
		}
		raw = raw[:0]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *conversation) take(raw []byte, uuids []string) {
	var r row
	if json.Unmarshal(raw, &r) != nil || r.Sidechain {
		return // torn, not the CLI's, or a subagent's
	}
	switch {
	case r.Type == "user":
		for _, u := range append(r.Merged, r.UUID) {
			c.prompts[u] = slices.Contains(uuids, u)
		}
		c.unfinished = !over(r.Message.Content)
		if !bytes.Contains(r.Message.Content, []byte(`"tool_use_id"`)) { // what a tool gave belongs to the turn
			c.last = r.UUID
		}
	case r.Type == "assistant":
		c.unfinished = r.Message.StopReason == "" || r.Message.StopReason == "tool_use"
	case r.Type == "attachment" && r.Attachment.Type == "queued_command":
		c.prompts[r.Attachment.Source] = true
		c.unfinished, c.last = true, r.Attachment.Source
	}
}

// over says whether what stands in the person's name asks for no answer.
func over(content json.RawMessage) bool {
	for _, start := range []string{"[Request interrupted by user", "<local-command", "<command-"} {
		if bytes.Contains(content[:min(len(content), 200)], []byte(start)) {
			return true
		}
	}
	return false
}
