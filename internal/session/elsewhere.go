package session

import (
	"context"
	"fmt"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/client"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// searchTimeout is a little more than what a supervisor allows itself.
const searchTimeout = 40 * time.Second

// recall brings the history of a conversation that the CLI left into its
// journal, for those who read it before anybody opened it. What goes wrong
// leaves them with what there is.
func (s *Service) recall(ctx context.Context, r *row) {
	if !r.CLILeft || r.LastSeq > 0 {
		return
	}
	if err := s.withSession(ctx, r.key(), callTimeout, recallSession(r.ID)); err != nil && ctx.Err() == nil {
		s.log.Info("recall a session", "session", r.ID, "user", r.UserID, "error", err)
	}
}

func recallSession(id string) func(context.Context, *client.Client) error {
	return func(ctx context.Context, c *client.Client) error {
		_, err := c.Recall(ctx, &protocol.SessionRequest{SessionID: id})
		return err
	}
}

// Found is one piece of a conversation in which words were found.
type Found struct {
	SessionID string    `json:"session_id" doc:"The session's id."`
	Project   string    `json:"project" doc:"Its project."`
	Title     string    `json:"title" doc:"Its title."`
	Seq       int64     `json:"seq" example:"17" doc:"Number of the event in the session's journal."`
	At        time.Time `json:"at" doc:"When it was said."`
	Role      string    `json:"role" enum:"user,assistant,tool,result" doc:"Who said it: a prompt, an answer, a call of a tool, its result."`
	Tool      string    `json:"tool,omitempty" doc:"The tool's name, of a call."`
	Snippet   string    `json:"snippet" doc:"What stands around the first of the words, on one line."`
}

// Search finds words in what was said in a user's sessions, the last used
// first. Sessions that the CLI left are searched once they were opened. A page
// may be short, or empty, and have a next one: a search ends when it took long.
func (s *Service) Search(ctx context.Context, userID int64, query string, limit int, cursor string) (items []Found, next string, err error) {
	var res *protocol.SearchResponse
	err = s.with(ctx, userID, searchTimeout, func(ctx context.Context, c *client.Client) (err error) {
		res, err = c.Search(ctx, &protocol.SearchRequest{Query: query, Limit: limit, Cursor: cursor})
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("search sessions: %w", err)
	}
	titles := map[string]*row{}
	for _, h := range res.Hits {
		r, known := titles[h.SessionID]
		if !known {
			if r, err = find(ctx, s.db, key{userID, h.SessionID}); fault.CodeOf(err) == fault.NotFound {
				r = nil // deleted just now
			} else if err != nil {
				return nil, "", err
			}
			titles[h.SessionID] = r
		}
		if r != nil {
			items = append(items, Found{SessionID: h.SessionID, Project: r.Project, Title: r.Title, Seq: h.Seq, At: h.At.UTC(), Role: h.Role, Tool: h.Tool, Snippet: h.Snippet})
		}
	}
	return items, res.Next, nil
}
