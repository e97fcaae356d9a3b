package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/api/socket"
	"github.com/carrel-dev/carrel/internal/session"
)

// PromptContent is a text or a list of Messages API content blocks.
type PromptContent json.RawMessage

// UnmarshalJSON keeps the bytes as they came.
func (c *PromptContent) UnmarshalJSON(b []byte) error {
	*c = append((*c)[:0], b...)
	return nil
}

// Schema is for huma, to which the type is bytes.
func (PromptContent) Schema(huma.Registry) *huma.Schema {
	one := 1
	return &huma.Schema{
		Description: "A text, or Messages API content blocks.",
		OneOf: []*huma.Schema{
			{Type: huma.TypeString, MinLength: &one, Examples: []any{"What does main.go do?"}},
			{Type: huma.TypeArray, MinItems: &one, Items: &huma.Schema{
				Type: huma.TypeObject, Required: []string{"type"}, AdditionalProperties: true,
				Properties: map[string]*huma.Schema{"type": {Type: huma.TypeString, Examples: []any{"text"}, Description: "Kind of the block: text, image, document, …"}},
			}},
		},
	}
}

type (
	promptInput struct {
		ID   string `path:"id" maxLength:"200" doc:"The session's id, a UUID."`
		Body struct {
			ID      string        `json:"id" minLength:"1" maxLength:"128" example:"b1946ac9-2492-4d3c-8c2a-1f0e6e5d7a11" doc:"Your own unique name of the prompt. The same again runs nothing."`
			Content PromptContent `json:"content"`
		} `nameHint:"Prompt"`
	}
	promptIDInput struct {
		ID       string `path:"id" maxLength:"200" doc:"The session's id, a UUID."`
		PromptID string `path:"prompt_id" minLength:"1" maxLength:"128" doc:"The name that you gave the prompt."`
	}
	answerInput struct {
		ID   string `path:"id" maxLength:"200" doc:"The session's id, a UUID."`
		Body struct {
			RequestID          string          `json:"request_id" minLength:"1" maxLength:"128" doc:"Which control_request is answered."`
			Behavior           string          `json:"behavior" enum:"allow,deny" doc:"Whether Claude may."`
			UpdatedInput       json.RawMessage `json:"updated_input,omitempty" doc:"The tool's input, changed; with AskUserQuestion it holds the answers."`
			UpdatedPermissions json.RawMessage `json:"updated_permissions,omitempty" doc:"Permissions to remember: some of the request's permission_suggestions."`
			Message            string          `json:"message,omitempty" maxLength:"100000" doc:"With deny: why, for Claude to read."`
			Interrupt          bool            `json:"interrupt,omitempty" doc:"With deny: end the turn."`
		} `nameHint:"Answer"`
	}
)

type (
	stopInput struct {
		ID   string `path:"id" maxLength:"200" doc:"The session's id, a UUID."`
		Body struct {
			TaskID string `json:"task_id" minLength:"1" maxLength:"128" doc:"The task, as task_started names it."`
		} `nameHint:"Stop"`
	}
	taskInput struct {
		ID     string `path:"id" maxLength:"200" doc:"The session's id, a UUID."`
		TaskID string `path:"task_id" minLength:"1" maxLength:"128" doc:"The task, as task_started names it."`
	}
	forkInput struct {
		ID   string `path:"id" maxLength:"200" doc:"The session's id, a UUID."`
		Body *struct {
			Before string `json:"before,omitempty" maxLength:"128" doc:"Copy only what was said before this prompt, by the id that it was sent with or its uuid."`
		} `nameHint:"Fork" required:"false"`
	}
	rewindInput struct {
		ID   string `path:"id" maxLength:"200" doc:"The session's id, a UUID."`
		Body struct {
			Prompt string `json:"prompt" minLength:"1" maxLength:"128" doc:"The prompt, by the id that it was sent with or its uuid."`
			DryRun bool   `json:"dry_run,omitempty" doc:"Change nothing, only say what would be changed."`
		} `nameHint:"Rewind"`
	}
)

// PromptAccepted tells that a prompt is in the journal.
type PromptAccepted struct {
	ID        string `json:"id" doc:"The prompt's id."`
	Seq       int64  `json:"seq" example:"18" doc:"Number of its carrel.prompt in the journal."`
	Duplicate bool   `json:"duplicate" doc:"It was there already, and runs no second time."`
}

// registerTurns adds what is done in a session: the same as on the WebSocket.
func (s *Server) registerTurns() {
	sessions := s.deps.Sessions
	route(s, signedIn, huma.Operation{Method: http.MethodPost, Path: "/sessions/{id}/prompts", Summary: "Send a prompt",
		Description: "Answered once it is in the journal.", DefaultStatus: http.StatusAccepted, MaxBodyBytes: socket.MaxMessageBytes},
		func(ctx context.Context, in *promptInput) (*body[PromptAccepted], error) {
			p := session.Prompt{ID: in.Body.ID, Content: json.RawMessage(in.Body.Content)}
			if err := socket.CheckPrompt("body.", p); err != nil {
				return nil, err
			}
			seq, duplicate, err := sessions.Prompt(ctx, caller(ctx), in.ID, p)
			return &body[PromptAccepted]{Body: PromptAccepted{ID: p.ID, Seq: seq, Duplicate: duplicate}}, err
		})
	route(s, signedIn, huma.Operation{Method: http.MethodDelete, Path: "/sessions/{id}/prompts/{prompt_id}", Summary: "Withdraw a prompt",
		Description: "One that Claude has not begun with never runs, also when it is sent again. Once Claude has begun it is a conflict. An id that is . or .. is withdrawn on the WebSocket: clients take it for a part of the path."},
		func(ctx context.Context, in *promptIDInput) (*nothing, error) {
			return nil, sessions.Withdraw(ctx, caller(ctx), in.ID, ofLoneSlash(in.PromptID))
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPost, Path: "/sessions/{id}/interrupt", Summary: "End the running turn"},
		func(ctx context.Context, in *sessionIDInput) (*nothing, error) {
			return nil, sessions.Interrupt(ctx, caller(ctx), in.ID)
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPost, Path: "/sessions/{id}/answers", Summary: "Answer a request of Claude's"},
		func(ctx context.Context, in *answerInput) (*nothing, error) {
			b := in.Body
			a := session.Answer{
				RequestID: b.RequestID, Behavior: b.Behavior, UpdatedInput: socket.OrNil(b.UpdatedInput),
				UpdatedPermissions: socket.OrNil(b.UpdatedPermissions), Message: b.Message, Interrupt: b.Interrupt,
			}
			if err := socket.CheckAnswer("body.", a); err != nil {
				return nil, err
			}
			return nil, sessions.Answer(ctx, caller(ctx), in.ID, a)
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPost, Path: "/sessions/{id}/stop", Summary: "End a task that runs in the background"},
		func(ctx context.Context, in *stopInput) (*nothing, error) {
			return nil, sessions.StopTask(ctx, caller(ctx), in.ID, in.Body.TaskID)
		})
	route(s, signedIn, huma.Operation{Method: http.MethodGet, Path: "/sessions/{id}/tasks/{task_id}/output", Summary: "What a command that runs has written so far",
		Description: "Of a Bash call that task_started has told of, in the background or not. Once it has ended, its result has what it wrote, and this is not_found or empty."},
		func(ctx context.Context, in *taskInput) (*body[session.TaskOutput], error) {
			written, err := sessions.TaskOutput(ctx, caller(ctx).ID, in.ID, in.TaskID)
			return &body[session.TaskOutput]{Body: written}, err
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPost, Path: "/sessions/{id}/rewind", Summary: "Put files back to what they were before a prompt",
		Description: "Of the files that Claude changed with its own tools; what commands changed stays. The conversation stays as it is."},
		func(ctx context.Context, in *rewindInput) (*body[session.Rewound], error) {
			done, err := sessions.Rewind(ctx, caller(ctx).ID, in.ID, in.Body.Prompt, in.Body.DryRun)
			return &body[session.Rewound]{Body: done}, err
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPost, Path: "/sessions/{id}/fork", Summary: "Begin a session with a copy of this one's history", DefaultStatus: http.StatusCreated},
		func(ctx context.Context, in *forkInput) (*body[session.Session], error) {
			before := ""
			if in.Body != nil {
				before = in.Body.Before
			}
			made, err := sessions.Fork(ctx, caller(ctx).ID, in.ID, before)
			return sessionBody(made), err
		})
}
