package sessions

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/journal"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Bounds of a search. It reads the journals through: no index to keep right, no memory that grows, and what is left
// of a journal once the pieces of its messages are dropped is little.
const (
	maxHits       = 100
	searchBudget  = 3 * time.Second // then a page is what was found so far
	searchAtMost  = 30 * time.Second
	maxSearchLine = 1 << 20 // what is longer is a picture, or as good as one
	searchCheck   = 1024    // events between two looks whether somebody still waits
)

// position is where a page of hits ended: before which event of which session. Seq 0 is the whole session.
type position struct {
	At  int64  `json:"at"` // when the session was last used
	ID  string `json:"id"`
	Seq int64  `json:"seq,omitempty"`
}

// Search finds what was said. One search runs at a time, lest the person's own instance is kept from its work.
func (ss *Sessions) Search(ctx context.Context, req *protocol.SearchRequest) (*protocol.SearchResponse, error) {
	ctx, leave, err := ss.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	q, err := parseQuery(req.Query)
	if err != nil {
		return nil, err
	}
	from, err := parsePosition(req.Cursor)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, searchAtMost, errLongSearch)
	defer cancel()
	select {
	case ss.searching <- struct{}{}:
		defer func() { <-ss.searching }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	limit := min(max(req.Limit, 1), maxHits)
	res := &protocol.SearchResponse{Hits: []protocol.Hit{}}
	began := time.Now()
	for i, p := range ss.searchOrder(from) {
		if i > 0 && (len(res.Hits) >= limit || time.Since(began) > ss.patience) {
			res.Next = p.String()
			return res, nil
		}
		hits, more, err := ss.searchOne(ctx, q, p, limit-len(res.Hits))
		if err != nil {
			return nil, err
		}
		res.Hits = append(res.Hits, hits...)
		if more {
			p.Seq = hits[len(hits)-1].Seq
			res.Next = p.String()
			return res, nil
		}
	}
	return res, nil
}

var errLongSearch = fault.New(fault.TooLarge, "The search took too long. Look for a rarer word.")

// searchOrder gives the sessions from a position on, the last used first.
func (ss *Sessions) searchOrder(from position) []position {
	var all []position
	for _, s := range ss.List() {
		p := position{At: s.LastActivityAt.UnixMicro(), ID: s.ID}
		switch c := comparePositions(p, from); {
		case from.ID == "" || c > 0:
			all = append(all, p)
		case c == 0:
			all = append(all, from)
		}
	}
	slices.SortFunc(all, comparePositions)
	return all
}

func comparePositions(a, b position) int {
	return cmp.Or(cmp.Compare(b.At, a.At), strings.Compare(a.ID, b.ID))
}

func (p position) String() string {
	b, _ := json.Marshal(p) // it is numbers and an id
	return base64.RawURLEncoding.EncodeToString(b)
}

func parsePosition(cursor string) (p position, err error) {
	if cursor == "" {
		return p, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || json.Unmarshal(b, &p) != nil || !validID(p.ID) || p.Seq < 0 {
		return position{}, fault.InvalidField("query.cursor", "The cursor is not one that this list gave.")
	}
	return p, nil
}

// searchOne finds the last hits of a session before an event; more says whether there are others before them.
func (ss *Sessions) searchOne(ctx context.Context, q query, p position, limit int) (hits []protocol.Hit, more bool, err error) {
	s, release, err := ss.read(p.ID)
	if fault.CodeOf(err) == fault.NotFound || fault.CodeOf(err) == fault.Conflict {
		return nil, false, nil // it was deleted meanwhile
	}
	if err != nil {
		return nil, false, err
	}
	defer release()
	info, ok := s.snapshot()
	if !ok {
		return nil, false, nil
	}
	reader, err := s.journal.Read(0)
	if err != nil {
		return nil, false, nil // as above
	}
	until := info.LastSeq
	if p.Seq > 0 {
		until = min(until, p.Seq-1)
	}
	f := finder{query: q, session: p.ID, project: info.Project, limit: limit}
	for seq, n := int64(0), 0; seq < until; n++ {
		if n%searchCheck == 0 && ctx.Err() != nil {
			return nil, false, context.Cause(ctx)
		}
		e, err := reader.Next(ctx)
		if errors.Is(err, journal.ErrClosed) {
			return nil, false, nil // as above
		}
		if err != nil {
			return nil, false, fmt.Errorf("search session %s: %w", p.ID, err)
		}
		if seq = e.Seq; seq <= until {
			f.look(e)
		}
	}
	slices.Reverse(f.hits)
	return f.hits, f.more, nil
}

// finder looks at one journal's events in order, and keeps the last in which the words are.
type finder struct {
	query   query
	session string
	project string
	limit   int
	history bool // prompts are replays: they were said elsewhere
	hits    []protocol.Hit
	more    bool // some were let go
	buf     []byte
}

var ours = []byte(`{"type":"carrel.`)

func (f *finder) look(e journal.Event) {
	if bytes.HasPrefix(e.Data, tokens) {
		return
	}
	isOurs := bytes.HasPrefix(e.Data, ours)
	if isOurs {
		f.history = bytes.HasPrefix(e.Data[len(ours):], []byte(`history"`))
	}
	if len(e.Data) > maxSearchLine || !f.query.maybe(e.Data, &f.buf) {
		return
	}
	l, err := claude.Parse(e.Data)
	if err != nil {
		return
	}
	if isOurs {
		var p promptEvent
		if l.Type == protocol.EventPrompt && json.Unmarshal(e.Data, &p) == nil {
			f.blocks(e, protocol.RoleUser, claude.Blocks(p.Content))
		}
		return
	}
	said, ok := l.Said()
	switch {
	case !ok || said.Replay && !f.history: // carrel.prompt has it
	case said.Role == "user" && !said.Replay && !hasResult(said.Blocks): // the CLI's own words
	default:
		role := protocol.RoleAssistant
		if said.Role == "user" {
			role = protocol.RoleUser
		}
		f.blocks(e, role, said.Blocks)
	}
}

func hasResult(blocks []claude.Block) bool {
	return slices.ContainsFunc(blocks, func(b claude.Block) bool { return b.Type == "tool_result" })
}

func (f *finder) blocks(e journal.Event, role string, blocks []claude.Block) {
	for _, b := range blocks {
		hit := protocol.Hit{SessionID: f.session, Project: f.project, Seq: e.Seq, At: e.At, Role: role}
		text := b.Text
		switch b.Type {
		case "text":
		case "tool_use":
			hit.Role, hit.Tool, text = protocol.RoleTool, b.Name, b.InputText()
		case "tool_result":
			hit.Role, text = protocol.RoleResult, b.ResultText()
		default:
			continue
		}
		var ok bool
		if hit.Snippet, ok = f.query.in(text); !ok {
			continue
		}
		if len(f.hits) == f.limit {
			f.hits, f.more = append(f.hits[:0], f.hits[1:]...), true
		}
		f.hits = append(f.hits, hit)
		return // one of an event is enough to find it by, and keeps pages apart
	}
}
