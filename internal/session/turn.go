package session

import (
	"context"
	"fmt"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/client"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Open makes a session's process ready ahead of a prompt, and the instance
// first where there is none.
func (s *Service) Open(ctx context.Context, userID int64, id string) error {
	r, err := find(ctx, s.db, key{userID, id})
	if err != nil {
		return err
	}
	return s.open(ctx, r)
}

func (s *Service) open(ctx context.Context, r *row) error { return s.openAs(ctx, r, r.openRequest()) }

func (s *Service) openAs(ctx context.Context, r *row, req *protocol.OpenRequest) error {
	if r.Project == "" {
		return errNoProject()
	}
	err := s.withSession(ctx, r.key(), openTimeout, func(ctx context.Context, c *client.Client) error {
		_, err := c.Open(ctx, req)
		return err
	})
	if err != nil {
		return fmt.Errorf("open session %s: %w", r.ID, err)
	}
	return nil
}

// errNoProject is about a conversation that the CLI held elsewhere in the
// workspace: there is no folder of projects/ to go on in.
func errNoProject() error {
	return fault.New(fault.Conflict, "This conversation was held outside of your projects. Go on with it in a terminal: claude --resume.")
}

func (r *row) openRequest() *protocol.OpenRequest {
	return &protocol.OpenRequest{SessionID: r.ID, Project: r.Project, Model: r.AskedModel, PermissionMode: r.PermissionMode, Effort: r.Effort, ForkOf: r.ForkOf}
}

// Prompt hands a prompt over. When it returns nil the prompt is in the
// session's journal, at seq; one that was sent before ran once and is a duplicate.
func (s *Service) Prompt(ctx context.Context, u account.User, id string, p Prompt) (seq int64, duplicate bool, err error) {
	k := key{u.ID, id}
	r, err := find(ctx, s.db, k)
	if err != nil {
		return 0, false, err
	}
	if err := checkPrompt(p); err != nil {
		return 0, false, err
	}
	if r.Project == "" {
		return 0, false, errNoProject()
	}
	if err := s.pool.Known(ctx); err != nil {
		return 0, false, err
	}
	// Before anything of it is kept: what is in the journal is not refused any more.
	done, err := s.pool.Admit(u.ID, id)
	if err != nil {
		return 0, false, fmt.Errorf("prompt in session %s: %w", id, err)
	}
	defer done()
	req := &protocol.PromptRequest{OpenRequest: *r.openRequest(), ID: p.ID, Author: u.Username, Language: u.Language, Content: p.Content}
	var res *protocol.PromptResponse
	err = s.withSession(ctx, k, openTimeout, func(ctx context.Context, c *client.Client) error {
		var err error
		res, err = c.Prompt(ctx, req)
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("prompt in session %s: %w", id, err)
	}
	if r.TitledBy == "" {
		s.recorder.prompted(k, promptTitle(p.Content))
	}
	return res.Seq, res.Duplicate, nil
}

// Withdraw takes back a prompt that Claude has not begun with. When it returns
// nil the prompt never runs; asked again, it says the same.
func (s *Service) Withdraw(ctx context.Context, u account.User, id, promptID string) error {
	if _, err := find(ctx, s.db, key{u.ID, id}); err != nil {
		return err
	}
	err := s.with(ctx, u.ID, openTimeout, func(ctx context.Context, c *client.Client) error {
		return c.Withdraw(ctx, &protocol.WithdrawRequest{SessionID: id, ID: promptID, Author: u.Username})
	})
	if err != nil {
		return fmt.Errorf("withdraw a prompt of session %s: %w", id, err)
	}
	return nil
}

// Answer answers an open request of Claude's.
func (s *Service) Answer(ctx context.Context, u account.User, id string, a Answer) error {
	if _, err := find(ctx, s.db, key{u.ID, id}); err != nil {
		return err
	}
	if err := checkAnswer(a); err != nil {
		return err
	}
	if err := s.pool.Known(ctx); err != nil {
		return err
	}
	inst, ok := s.pool.Current(u.ID)
	if !ok {
		return fault.New(fault.NotFound, "There is no such open request. It may have been withdrawn.")
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	// Not tried again after a broken connection: the second would be refused as answered already.
	err := inst.Client().Answer(ctx, &protocol.AnswerRequest{SessionID: id, RequestID: a.RequestID, Author: u.Username, Behavior: a.Behavior,
		UpdatedInput: a.UpdatedInput, UpdatedPermissions: a.UpdatedPermissions, Message: a.Message, Interrupt: a.Interrupt})
	if err != nil {
		return fmt.Errorf("answer in session %s: %w", id, unreachable(err))
	}
	inst.Touch()
	return nil
}

// Interrupt ends the running turn, or withdraws what a session waits for a
// place with. Where nothing runs nor waits it does nothing.
func (s *Service) Interrupt(ctx context.Context, u account.User, id string) error {
	k := key{u.ID, id}
	if _, err := find(ctx, s.db, k); err != nil {
		return err
	}
	if err := s.pool.Known(ctx); err != nil {
		return err
	}
	inst, ok := s.pool.Current(u.ID)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := inst.Client().Interrupt(ctx, &protocol.SessionRequest{SessionID: id, Author: u.Username}); err != nil {
		if fault.CodeOf(err) == fault.NotFound { // the instance does not know the session: nothing runs
			return nil
		}
		return fmt.Errorf("interrupt session %s: %w", id, unreachable(err))
	}
	inst.Touch()
	return nil
}

// StopTask ends a task that runs in the background. One that has ended is left alone.
func (s *Service) StopTask(ctx context.Context, u account.User, id, task string) error {
	if _, err := find(ctx, s.db, key{u.ID, id}); err != nil {
		return err
	}
	if err := s.pool.Known(ctx); err != nil {
		return err
	}
	inst, ok := s.pool.Current(u.ID)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := inst.Client().StopTask(ctx, &protocol.TaskRequest{SessionID: id, TaskID: task}); err != nil {
		return fmt.Errorf("stop a task of session %s: %w", id, unreachable(err))
	}
	inst.Touch()
	return nil
}

// TaskOutput gives what a command that runs has written so far. Looking on is no use of the instance: it starts none,
// and keeps none awake.
func (s *Service) TaskOutput(ctx context.Context, userID int64, id, task string) (TaskOutput, error) {
	if _, err := find(ctx, s.db, key{userID, id}); err != nil {
		return TaskOutput{}, err
	}
	if err := s.pool.Known(ctx); err != nil {
		return TaskOutput{}, err
	}
	inst, ok := s.pool.Current(userID)
	if !ok {
		return TaskOutput{}, fault.New(fault.NotFound, "There is no such command that runs. It may have ended.")
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	res, err := inst.Client().TaskOutput(ctx, &protocol.TaskRequest{SessionID: id, TaskID: task})
	if err != nil {
		return TaskOutput{}, fmt.Errorf("read the output of a task of session %s: %w", id, unreachable(err))
	}
	return TaskOutput(*res), nil
}

// TaskOutput is what a command has written so far.
type TaskOutput struct {
	Output     string `json:"output" doc:"The text: the last of it, if truncated."`
	TotalBytes int64  `json:"total_bytes" doc:"How much there is in all."`
	Truncated  bool   `json:"truncated" doc:"There is more before it."`
}

// Rewind puts the files that Claude changed since a prompt, by its id, back to what they were then. With dryRun it
// only says which those are. The session is made live for it.
func (s *Service) Rewind(ctx context.Context, userID int64, id, prompt string, dryRun bool) (Rewound, error) {
	r, err := find(ctx, s.db, key{userID, id})
	if err != nil {
		return Rewound{}, err
	}
	if r.Project == "" {
		return Rewound{}, errNoProject()
	}
	var res *protocol.RewindResponse
	err = s.withSession(ctx, r.key(), openTimeout, func(ctx context.Context, c *client.Client) error {
		if _, err := c.Open(ctx, r.openRequest()); err != nil {
			return err
		}
		var err error
		res, err = c.Rewind(ctx, &protocol.RewindRequest{SessionID: id, Prompt: prompt, DryRun: dryRun})
		return err
	})
	if err != nil {
		return Rewound{}, fmt.Errorf("rewind files of session %s: %w", id, err)
	}
	return Rewound{Files: append([]string{}, res.Files...), Insertions: res.Insertions, Deletions: res.Deletions}, nil
}

// Rewound is what a rewind changes, or would change.
type Rewound struct {
	Files      []string `json:"files" doc:"The files that are put back, by their paths inside the instance."`
	Insertions int      `json:"insertions" doc:"Lines that are put in."`
	Deletions  int      `json:"deletions" doc:"Lines that are taken out."`
}
