// Package protocol is what the server and a supervisor say to each other: the
// procedures, and the shapes of requests and answers. All travel as JSON over
// Connect on the instance's one unix socket (package rpc). The shapes are also
// what the public API shows, so names and units are those of the contract.
package protocol

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// Procedures. Files are plain HTTP on the same socket, under FilesPrefix.
const (
	Ping           = "/carrel.supervisor/Ping"           // PingRequest → PingResponse
	Watch          = "/carrel.supervisor/Watch"          // WatchRequest → stream of Notice
	Open           = "/carrel.supervisor/Open"           // OpenRequest → Session
	Prompt         = "/carrel.supervisor/Prompt"         // PromptRequest → PromptResponse
	Withdraw       = "/carrel.supervisor/Withdraw"       // WithdrawRequest → Empty; conflict once Claude has begun with the prompt
	Answer         = "/carrel.supervisor/Answer"         // AnswerRequest → Empty
	Interrupt      = "/carrel.supervisor/Interrupt"      // SessionRequest → Empty
	StopTask       = "/carrel.supervisor/StopTask"       // TaskRequest → Empty
	TaskOutput     = "/carrel.supervisor/TaskOutput"     // TaskRequest → TaskOutputResponse; of a command that runs
	Rewind         = "/carrel.supervisor/Rewind"         // RewindRequest → RewindResponse
	Set            = "/carrel.supervisor/Set"            // SetRequest → Session
	Close          = "/carrel.supervisor/Close"          // SessionRequest → Empty; ends the process, the session is dormant
	Delete         = "/carrel.supervisor/Delete"         // SessionRequest → Empty; Close, then journal and transcript are removed
	Events         = "/carrel.supervisor/Events"         // EventsRequest → stream of Event
	Configure      = "/carrel.supervisor/Configure"      // Limits → Empty
	Place          = "/carrel.supervisor/Place"          // PlaceRequest → PlaceResponse
	Transcripts    = "/carrel.supervisor/Transcripts"    // Empty → TranscriptsResponse
	Recall         = "/carrel.supervisor/Recall"         // SessionRequest → Session; takes in what was said elsewhere, starts nothing
	Search         = "/carrel.supervisor/Search"         // SearchRequest → SearchResponse
	Command        = "/carrel.supervisor/Command"        // CommandRequest → CommandResponse
	OpenTerminal   = "/carrel.supervisor/OpenTerminal"   // OpenTerminalRequest → Terminal
	Terminals      = "/carrel.supervisor/Terminals"      // Empty → TerminalsResponse
	Attach         = "/carrel.supervisor/Attach"         // bidi: TerminalInput ↔ TerminalOutput; the first input names the terminal
	RenameTerminal = "/carrel.supervisor/RenameTerminal" // RenameTerminalRequest → Terminal
	CloseTerminal  = "/carrel.supervisor/CloseTerminal"  // TerminalRequest → Empty
	Shutdown       = "/carrel.supervisor/Shutdown"       // Empty → Empty; ends every process, flushes, exits

	FilesPrefix = "/files"
)

// Config is what a supervisor is started with: JSON in the environment
// variable CARREL_SUPERVISOR. Its listening socket is descriptor 3.
type Config struct {
	InstanceID    string `json:"instance_id"`
	UserID        int64  `json:"user_id"`
	Name          string `json:"name"`
	Language      string `json:"language"`
	Home          string `json:"home"`           // the workspace as seen by the person: /home/<name>
	JournalDir    string `json:"journal_dir"`    // closed to the person in oci
	RunDir        string `json:"run_dir"`        // scratch of the supervisor's own, closed to the person in oci
	Claude        string `json:"claude"`         // path of the Claude CLI; empty: not installed
	GatewaySocket string `json:"gateway_socket"` // ANTHROPIC_UNIX_SOCKET
	EgressSocket  string `json:"egress_socket"`  // relayed to HTTPS_PROXY; empty: no way out
	// PersonUID and PersonGID are what Claude, commands and terminals run as; -1: as the supervisor itself (bare).
	PersonUID int `json:"person_uid"`
	PersonGID int `json:"person_gid"`
	// TreeGIDs is a range of supplementary groups, [first, last]; each process tree gets one of its own, which
	// its members cannot shed, so that a tree is found whole. Zero: trees are found by an environment variable (bare).
	TreeGIDs     [2]int   `json:"tree_gids"`
	Env          []string `json:"env"` // added to what every process of the person gets
	LiveSessions int      `json:"live_sessions"`
	PIDs         int64    `json:"pids"` // processes and threads; 0: nobody counts them (bare)
}

// Limits are those of the user's that the supervisor itself keeps; Config has them at the start.
type Limits struct {
	LiveSessions int   `json:"live_sessions"`
	PIDs         int64 `json:"pids,omitempty"` // 0: as before
}

type Empty struct{}

type PingRequest struct{}

type PingResponse struct {
	InstanceID string    `json:"instance_id"`
	Version    string    `json:"version"`
	PID        int       `json:"pid"`
	StartedAt  time.Time `json:"started_at"`
}

// Kinds of process.
const (
	KindClaude   = "claude"
	KindTerminal = "terminal"
	KindCommand  = "command"
)

// Process is a process that the supervisor started for the person and that lives. Helpers of the
// supervisor's own are not listed.
type Process struct {
	PID         int       `json:"pid"` // as seen inside
	Kind        string    `json:"kind"`
	SessionID   string    `json:"session_id,omitempty"`
	Command     string    `json:"command"`
	StartedAt   time.Time `json:"started_at"`
	CPUSeconds  float64   `json:"cpu_seconds"`
	MemoryBytes int64     `json:"memory_bytes"` // resident, of the process itself
}

// States of a session.
const (
	StateDormant  = "dormant"  // no process
	StateQueued   = "queued"   // waits for a place
	StateStarting = "starting" // the process is there, not yet greeted
	StateReady    = "ready"    // greeted, no turn
	StateRunning  = "running"  // a turn runs
	StateWaiting  = "waiting"  // a turn waits for the person's answer
)

// Session is what the supervisor knows of a session.
type Session struct {
	ID             string          `json:"id"`
	Project        string          `json:"project"`
	State          string          `json:"state"`
	Model          string          `json:"model,omitempty"`
	PermissionMode string          `json:"permission_mode,omitempty"`
	Effort         string          `json:"effort,omitempty"` // one of the CLI's levels, or "default"; "" was never said
	LastSeq        int64           `json:"last_seq"`
	LastActivityAt time.Time       `json:"last_activity_at"`
	Title          string          `json:"title,omitempty"` // as the CLI named it; "" when it did not
	Usage          json.RawMessage `json:"usage,omitempty"` // modelUsage of the last result, as the CLI gave it: the whole session
	CostUSD        float64         `json:"cost_usd"`
	Tasks          int             `json:"tasks,omitempty"` // that run in the background
}

// Notice is one change. The first notices of a Watch give everything there is; Ready ends them.
type Notice struct {
	Session   *Session  `json:"session,omitempty"`
	Processes []Process `json:"processes,omitempty"` // all of them, whenever one starts or ends (Changed is "processes")
	Places    *Places   `json:"places,omitempty"`    // Changed is "places"; a supervisor of before 2026-12 never tells
	Changed   string    `json:"changed"`             // "session", "processes", "places", "ready"
}

// Places says which sessions of an instance hold one of the server's places for Claude processes, and which want
// one. No process is started without; what runs keeps its place though no server be there, and the next server counts
// what it is told here.
type Places struct {
	Rev   int64    `json:"rev"`  // rises with every change: what has a lower one is older
	Held  []string `json:"held"` // from the gift until the process is gone
	Wants []Want   `json:"wants"`
	// Given is when the last place was given to one that waited in line: the person's turn in the server's round.
	Given time.Time `json:"given,omitzero"`
}

// Want is a session that wants a place. It has either a prompt on disk or about to be, or is only to be ready.
type Want struct {
	SessionID string    `json:"session_id"`
	Since     time.Time `json:"since"`
	Ahead     bool      `json:"ahead,omitempty"` // no prompt yet
}

// PlaceRequest is what the server says about places. All of it may be said again: a session that holds a place, or
// wants none, is given nothing, and one that is at work is not ended.
type PlaceRequest struct {
	Give    []string       `json:"give,omitempty"`
	Refuse  []string       `json:"refuse,omitempty"`  // of those that want one ahead
	Take    []string       `json:"take,omitempty"`    // to be ended, if nothing is lost by it but time
	Suspend []string       `json:"suspend,omitempty"` // of Take: also if it only waits for its person, or has nothing but tasks in the background; the turn is taken up again with the session's next place
	Line    map[string]int `json:"line,omitempty"`    // the place in line of those that wait; 1 is the next
	Crowded bool           `json:"crowded"`           // somebody waits, and nobody is idle: a process ends when its work is done
}

type PlaceResponse struct {
	Places Places   `json:"places"`
	Busy   []string `json:"busy"` // of Take: these have work
}

type WatchRequest struct{}

// OpenRequest makes a session's process ready ahead of a prompt. Repeating it is harmless. Project is a plain
// folder name under projects/. A session whose transcript exists is resumed, else begun with this id.
type OpenRequest struct {
	SessionID      string `json:"session_id"`
	Project        string `json:"project"`
	Model          string `json:"model,omitempty"`
	PermissionMode string `json:"permission_mode,omitempty"`
	Effort         string `json:"effort,omitempty"`
	ForkOf         string `json:"fork_of,omitempty"`     // begin with a copy of that session's history
	ForkBefore     string `json:"fork_before,omitempty"` // only of what was before that prompt, by its id or uuid
}

type SessionRequest struct {
	SessionID string `json:"session_id"`
	Author    string `json:"author,omitempty"`
}

// PromptRequest carries a prompt. The same ID again runs nothing and is answered with the first's seq.
type PromptRequest struct {
	OpenRequest
	ID       string          `json:"id"` // the client's own; 1 to 128 printable characters
	Author   string          `json:"author"`
	Language string          `json:"language,omitempty"` // of the account now; it may be another than Config has
	Content  json.RawMessage `json:"content"`            // string or Messages API content blocks
}

type PromptResponse struct {
	Seq       int64 `json:"seq"` // of its carrel.prompt, which is on disk
	Duplicate bool  `json:"duplicate"`
}

// WithdrawRequest takes back a prompt that has not begun. It may be sent again.
type WithdrawRequest struct {
	SessionID string `json:"session_id"`
	ID        string `json:"id"` // the prompt's
	Author    string `json:"author"`
}

// AnswerRequest answers one open permission request, once: no such request is not_found, an answered one conflict.
type AnswerRequest struct {
	SessionID          string          `json:"session_id"`
	RequestID          string          `json:"request_id"`
	Author             string          `json:"author"`
	Behavior           string          `json:"behavior"` // "allow" or "deny"
	UpdatedInput       json.RawMessage `json:"updated_input,omitempty"`
	UpdatedPermissions json.RawMessage `json:"updated_permissions,omitempty"`
	Message            string          `json:"message,omitempty"`
	Interrupt          bool            `json:"interrupt,omitempty"`
}

// TaskRequest names a task that runs, by the name that task_started gave it.
type TaskRequest struct {
	SessionID string `json:"session_id"`
	TaskID    string `json:"task_id"`
}

// TaskOutputResponse is what a command has written so far: its end, where Truncated.
type TaskOutputResponse struct {
	Output     string `json:"output"`
	TotalBytes int64  `json:"total_bytes"`
	Truncated  bool   `json:"truncated"`
}

// RewindRequest asks for the files that Claude changed to be as they were before a prompt.
type RewindRequest struct {
	SessionID string `json:"session_id"`
	Prompt    string `json:"prompt"`  // its id or uuid
	DryRun    bool   `json:"dry_run"` // change nothing, only say what would change
}

type RewindResponse struct {
	Files      []string `json:"files"`
	Insertions int      `json:"insertions"`
	Deletions  int      `json:"deletions"`
}

type SetRequest struct {
	SessionID      string  `json:"session_id"`
	Author         string  `json:"author,omitempty"`
	Model          *string `json:"model,omitempty"`
	PermissionMode *string `json:"permission_mode,omitempty"`
	Effort         *string `json:"effort,omitempty"`
}

// EventsRequest asks for every event after a number, and then for those to come. With Until set the stream ends
// once everything that was there has been sent.
//
// With Last set it asks for a page instead: the last so many events before the number Before (0: of all that there
// are), in order, and no more of them than have MaxBytes (0: any), but for one. The stream ends with the page.
type EventsRequest struct {
	SessionID string `json:"session_id"`
	After     int64  `json:"after"`
	Until     bool   `json:"until,omitempty"`
	Before    int64  `json:"before,omitempty"`
	Last      int    `json:"last,omitempty"`
	MaxBytes  int64  `json:"max_bytes,omitempty"`
}

// Event is one line of a session's stream. Seq rises by one from 1; pieces of messages that are there as a whole may be
// missing.
type Event struct {
	Seq   int64           `json:"seq"`
	At    time.Time       `json:"at"`
	Event json.RawMessage `json:"event"`
	// Todos comes with the first event of a page from the end: the page may begin after what made the list.
	Todos *Todos `json:"todos,omitempty"`
}

// Todos is what Claude said that it means to do, up to the event with number Seq.
type Todos struct {
	Seq   int64  `json:"seq"`
	Items []Todo `json:"items"`
}

// Todo is one entry of it.
type Todo struct {
	ID     string `json:"id"`
	Text   string `json:"text"`
	Status string `json:"status"` // pending, in_progress, completed
}

// AppendJSON appends the event as JSON with its line as it is. encoding/json would leave out spaces and write some
// characters in another way.
func (e *Event) AppendJSON(b []byte) []byte {
	b = slices.Grow(b, len(e.Event)+80)
	b = append(b, `{"seq":`...)
	b = strconv.AppendInt(b, e.Seq, 10)
	b = append(b, `,"at":"`...)
	b = e.At.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","event":`...)
	if len(e.Event) == 0 {
		b = append(b, "null"...)
	}
	b = append(b, e.Event...)
	if e.Todos != nil {
		todos, _ := json.Marshal(e.Todos) // it is numbers and strings
		b = append(append(b, `,"todos":`...), todos...)
	}
	return append(b, '}')
}

// Our own events; their "type" is one of these.
const (
	EventPrompt = "carrel.prompt" // {id, uuid, author, content}
	// EventWithdrawn says that a prompt never runs: somebody took it back in time.
	EventWithdrawn = "carrel.withdrawn" // {id, author}
	EventState     = "carrel.state"     // {state, reason?, held?}; held: uuids of prompts that are not given again, for the conversation has them
	// EventHistory says that the CLI's lines that follow, up to the next event of ours, were said elsewhere, say in a
	// terminal, and come from the CLI's transcript.
	EventHistory = "carrel.history" // {left_out?}
	// EventQueue has own where the person's sessions themselves are what it waits for, and not the server.
	EventQueue  = "carrel.queue"  // {place, own?}
	EventAnswer = "carrel.answer" // {request_id, behavior, author, message?, interrupt?, updated_input?, updated_permissions?, truncated?}
	EventError  = "carrel.error"  // {code, detail}
)

// Transcript is a conversation that the CLI left in the workspace, of ours or not. All of it is the person's own
// file: untrusted.
type Transcript struct {
	SessionID  string    `json:"session_id"`
	Project    string    `json:"project"` // "" when its folder is not one of projects/
	Title      string    `json:"title"`
	ModifiedAt time.Time `json:"modified_at"`
	SizeBytes  int64     `json:"size_bytes"`
}

type TranscriptsResponse struct {
	Transcripts []Transcript `json:"transcripts"`
}

// HeldResponse tells where a conversation on disk stands.
type HeldResponse struct {
	UUIDs      []string `json:"uuids"`      // of the prompts that were asked for: those it holds
	Unfinished bool     `json:"unfinished"` // its last turn did not come to an end
	Last       string   `json:"last"`       // what began that turn, by uuid
}

type CommandRequest struct {
	Argv           []string          `json:"argv"`
	Project        string            `json:"project,omitempty"` // working folder; "" is the home
	Env            map[string]string `json:"env,omitempty"`
	TimeoutS       float64           `json:"timeout_s,omitempty"` // 0: 60
	Stdin          string            `json:"stdin,omitempty"`
	MaxOutputBytes int64             `json:"max_output_bytes,omitempty"` // of each stream; 0: 1 MiB
}

type CommandResponse struct {
	ExitCode  int     `json:"exit_code"` // 128+n for signal n; 124 when the time was up
	Stdout    string  `json:"stdout"`
	Stderr    string  `json:"stderr"`
	Truncated bool    `json:"truncated"`
	TimedOut  bool    `json:"timed_out"`
	DurationS float64 `json:"duration_s"`
}

type OpenTerminalRequest struct {
	Project string   `json:"project,omitempty"`
	Argv    []string `json:"argv,omitempty"` // empty: a login shell
	Cols    uint16   `json:"cols"`
	Rows    uint16   `json:"rows"`
}

type Terminal struct {
	ID      string `json:"id"`
	Project string `json:"project,omitempty"`
	Title   string `json:"title"` // empty until the person gives one
	Command string `json:"command"`
	// Foreground is the program that has the terminal now, by the name it gives itself; empty when that is Command, which waits.
	Foreground string    `json:"foreground"`
	CreatedAt  time.Time `json:"created_at"`
	Exited     bool      `json:"exited"`
	ExitCode   int       `json:"exit_code"`
}

type TerminalsResponse struct {
	Terminals []Terminal `json:"terminals"`
}

type TerminalRequest struct {
	ID string `json:"id"`
}

type RenameTerminalRequest struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

type TerminalInput struct {
	ID string `json:"id,omitempty"`
	// After is how many bytes of the terminal's output the caller has; only in the first input.
	After int64  `json:"after,omitempty"`
	Data  []byte `json:"data,omitempty"`
	Cols  uint16 `json:"cols,omitempty"`
	Rows  uint16 `json:"rows,omitempty"`
}

// TerminalOutput is one of four: where the output begins, output, a new size, the end.
type TerminalOutput struct {
	Attached *TerminalAttached `json:"attached,omitempty"` // the first
	Data     []byte            `json:"data,omitempty"`
	Cols     uint16            `json:"cols,omitempty"`
	Rows     uint16            `json:"rows,omitempty"`
	Exited   bool              `json:"exited,omitempty"`
	ExitCode int               `json:"exit_code,omitempty"`
}

// TerminalAttached tells what follows: the output from byte From on, of which all before To was written already. When
// From is not what was asked for, what lies between is gone, and the window begins anew, with Modes.
type TerminalAttached struct {
	From  int64  `json:"from"`
	To    int64  `json:"to"`
	Cols  uint16 `json:"cols"`
	Rows  uint16 `json:"rows"`
	Modes string `json:"modes,omitempty"` // escape sequences that set what the lost output had set
}
