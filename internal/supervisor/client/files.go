package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// maxProblemBytes bounds what is read of an answer that says why not.
const maxProblemBytes = 64 << 10

// HTTP asks the file part. The path is below protocol.FilesPrefix and not escaped: "" is /files, "/content",
// "/projects/my notes". Content streams both ways; ctx bounds the whole of it, the reading of the body too. The
// answer is given as it came, whatever its status (see Problem); its body is the caller's to close.
func (c *Client) HTTP(ctx context.Context, method, path string, query url.Values, header http.Header, body io.Reader) (*http.Response, error) {
	u := url.URL{Path: protocol.FilesPrefix + path}
	req, err := http.NewRequestWithContext(ctx, method, c.caller.URL(u.EscapedPath(), query), body)
	if err != nil {
		return nil, fmt.Errorf("ask for files: %w", err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	// Of a reader nothing tells the length but the header of who sends it.
	if n, err := strconv.ParseInt(req.Header.Get("Content-Length"), 10, 64); err == nil && n > 0 && body != nil {
		req.ContentLength = n
	}
	res, err := c.caller.HTTP.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("ask for files: %w", err)
		}
		return nil, fmt.Errorf("ask for files: %w: %w", rpc.ErrUnreachable, err)
	}
	return res, nil
}

// Problem is nil for an answer that went well, and else the fault that its problem document tells of. It reads the
// body of a bad answer, and closes it.
func Problem(res *http.Response) error {
	if res.StatusCode < 400 {
		return nil
	}
	defer res.Body.Close()
	var p struct {
		Code   fault.Code    `json:"code"`
		Detail string        `json:"detail"`
		Errors []fault.Field `json:"errors"`
		Said   []fault.Text  `json:"said"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxProblemBytes)).Decode(&p); err != nil || p.Code == "" {
		return fault.Wrap(fmt.Errorf("status %d", res.StatusCode), fault.InstanceUnavailable, "The files could not be reached. Try again in a moment.")
	}
	return fault.Told(p.Code, p.Detail, p.Errors, p.Said)
}
