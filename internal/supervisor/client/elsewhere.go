package client

import (
	"context"

	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Recall takes into a session's journal what was said in it elsewhere, say in a terminal. It starts no process.
func (c *Client) Recall(ctx context.Context, r *protocol.SessionRequest) (*protocol.Session, error) {
	return rpc.Call[protocol.SessionRequest, protocol.Session](ctx, c.caller, protocol.Recall, r)
}

// Search looks for words in what was said. It ends with ctx.
func (c *Client) Search(ctx context.Context, r *protocol.SearchRequest) (*protocol.SearchResponse, error) {
	return rpc.Call[protocol.SearchRequest, protocol.SearchResponse](ctx, c.caller, protocol.Search, r)
}
