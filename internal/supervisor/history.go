package supervisor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/carrel-dev/carrel/internal/supervisor/client"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// rowsBuffer is what is held of a transcript's rows; a longer one is gathered.
const rowsBuffer = 64 << 10

// Rows gives each the rows of a transcript that lie behind an offset and make up its conversation, and then says what
// it was. A row is valid until each returns. All of it comes from the person's process: it is bounded here as well.
func (h *helper) Rows(ctx context.Context, sessionID string, from int64, each func(head protocol.Rows, row []byte) error) (protocol.Rows, error) {
	run, err := h.acquire()
	if err != nil {
		return protocol.Rows{}, err
	}
	defer h.release()
	ctx, cancel := context.WithCancel(ctx) // what is not read is not sent
	defer cancel()
	path := protocol.FilesPrefix + "/transcripts/" + url.PathEscape(sessionID) + "/rows"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, run.caller.URL(path, url.Values{"from": {strconv.FormatInt(from, 10)}}), nil)
	if err != nil {
		return protocol.Rows{}, fmt.Errorf("ask for a transcript: %w", err)
	}
	res, err := run.caller.HTTP.Do(req)
	if err != nil {
		return protocol.Rows{}, fmt.Errorf("ask for a transcript: %w", err)
	}
	if err := client.Problem(res); err != nil {
		return protocol.Rows{}, err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(make([]byte, 0, rowsBuffer), protocol.MaxRowBytes+1)
	var head protocol.Rows
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &head) != nil || head.From < 0 || head.Until < head.From || head.Count < 0 || head.LeftOut < 0 {
		return protocol.Rows{}, fmt.Errorf("read a transcript's first line: %w", errors.Join(lines.Err(), io.ErrUnexpectedEOF))
	}
	for range head.Count {
		if !lines.Scan() {
			// The rows before it are good; the rest is there the next time.
			return protocol.Rows{}, fmt.Errorf("read a transcript: %w", errors.Join(lines.Err(), io.ErrUnexpectedEOF))
		}
		if err := each(head, lines.Bytes()); err != nil {
			return protocol.Rows{}, err
		}
	}
	return head, nil
}
