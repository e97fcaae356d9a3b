package files

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Bounds of a look for prompts: rows with pictures in them are of some MiB.
const (
	maxHeldUUIDs = 200
	maxHeldRow   = 64 << 20
)

// heldPrompts says which of some prompts a conversation holds.
func (s *Server) heldPrompts(w http.ResponseWriter, r *http.Request) error {
	uuids := r.URL.Query()["uuid"]
	if len(uuids) > maxHeldUUIDs {
		return fault.InvalidField("uuid", "At most %d prompts can be asked for.", maxHeldUUIDs)
	}
	found, err := s.transcriptFiles(r.PathValue("id"))
	if err != nil {
		return err
	}
	held := map[string]bool{}
	for _, t := range found {
		f, _, err := s.openFile(t.path)
		if err != nil {
			return err
		}
		err = findPrompts(f, uuids, held)
		_ = f.Close() // it was only read
		if err != nil {
			return err
		}
	}
	res := protocol.HeldResponse{UUIDs: []string{}}
	for _, u := range uuids {
		if held[u] {
			res.UUIDs = append(res.UUIDs, u)
		}
	}
	return answer(w, http.StatusOK, res)
}

// findPrompts finds prompts in a transcript. One stands there as a message of its own, merged into that of another
// which waited with it, or taken into the turn that ran. What merely waited in the CLI's queue is not in the
// conversation.
func findPrompts(r io.Reader, uuids []string, held map[string]bool) error {
	in := bufio.NewReaderSize(r, 256<<10)
	var row []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(row)+len(part) <= maxHeldRow {
			row = append(row, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		for _, u := range uuids {
			if bytes.Contains(row, []byte(u)) {
				for _, p := range promptsOf(row) {
					held[p] = true
				}
				break
			}
		}
		row = row[:0]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func promptsOf(raw []byte) []string {
	var row struct {
		Type       string   `json:"type"`
		UUID       string   `json:"uuid"`
		Merged     []string `json:"mergedSendUuids"`
		Attachment struct {
			Type   string `json:"type"`
			Source string `json:"source_uuid"`
		} `json:"attachment"`
	}
	if json.Unmarshal(raw, &row) != nil {
		return nil // torn, or not the CLI's
	}
	switch {
	case row.Type == "user":
		return append(row.Merged, row.UUID)
	case row.Type == "attachment" && row.Attachment.Type == "queued_command":
		return []string{row.Attachment.Source}
	}
	return nil
}
