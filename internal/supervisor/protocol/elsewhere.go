package protocol

import "time"

// MaxRowBytes bounds one row of a transcript. What is longer is left out.
const MaxRowBytes = 8 << 20

// Rows is the first line of what the file helper gives of a transcript; the rows themselves follow, a line each.
type Rows struct {
	From    int64 `json:"from"`     // where the reading began: not where it was asked to when the file is another
	Until   int64 `json:"until"`    // where it ended: the next one begins there
	Count   int   `json:"count"`    // of rows that follow
	LeftOut int   `json:"left_out"` // rows that were too many or too long
}

// SearchRequest looks for words in what was said in a user's sessions. Every word must be in the same piece: a
// prompt, a block of an answer, a call, a result. What stands in double quotes is one word.
type SearchRequest struct {
	Query  string `json:"query"`
	Limit  int    `json:"limit"`
	Cursor string `json:"cursor,omitempty"` // Next of the page before
}

type SearchResponse struct {
	Hits []Hit  `json:"hits"` // the session that was used last comes first, and in it what was said last
	Next string `json:"next,omitempty"`
}

// Roles of a Hit.
const (
	RoleUser      = "user"      // a prompt
	RoleAssistant = "assistant" // an answer
	RoleTool      = "tool"      // a call
	RoleResult    = "result"    // what a tool said
)

// Hit is one piece in which the words were found.
type Hit struct {
	SessionID string    `json:"session_id"`
	Project   string    `json:"project"`
	Seq       int64     `json:"seq"`
	At        time.Time `json:"at"`
	Role      string    `json:"role"`
	Tool      string    `json:"tool,omitempty"` // its name, of a call
	Snippet   string    `json:"snippet"`
}
