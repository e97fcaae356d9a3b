package project

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/supervisor/client"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
	"github.com/carrel-dev/carrel/internal/workspace"
)

// Create makes a project and what shall be in it. One that cannot be filled is
// removed again.
func (s *Service) Create(ctx context.Context, userID int64, n New) (Project, error) {
	if err := workspace.CheckProject(n.Name); err != nil {
		return Project{}, err
	}
	if n.GitURL != "" && n.Template != "" {
		return Project{}, fault.InvalidField("body.template", "Give git_url or template, not both.")
	}
	files, known := templates[n.Template]
	if !known {
		return Project{}, fault.InvalidField("body.template", "The template must be empty or sample.")
	}
	if n.GitURL != "" {
		if err := checkGitURL(n.GitURL); err != nil {
			return Project{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, cloneTimeout+callTimeout)
	defer cancel()
	inst, _, err := s.instances.Get(ctx, userID)
	if err != nil {
		return Project{}, err
	}
	c := inst.Client()
	if err := ask(ctx, c, http.MethodPost, "/projects", nil, map[string]string{"name": n.Name}, nil); err != nil {
		return Project{}, fmt.Errorf("make project: %w", err)
	}
	if n.GitURL != "" {
		err = s.clone(ctx, inst, n)
	} else {
		err = fill(ctx, c, n.Name, files)
	}
	var p Project
	if err == nil {
		p, err = get(ctx, c, n.Name)
	}
	if err == nil {
		return p, nil
	}
	undo, stop := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
	defer stop()
	if derr := drop(undo, c, n.Name); derr != nil && !errors.Is(derr, fault.NotFoundError) {
		s.log.Error("remove a project that could not be filled", "user", userID, "project", n.Name, "error", derr)
	}
	return Project{}, fmt.Errorf("fill project: %w", err)
}

func drop(ctx context.Context, c *client.Client, name string) error {
	return ask(ctx, c, http.MethodDelete, "/projects/"+name, nil, nil, nil)
}

// Rename gives a project another name, and its conversations with it. Claude
// processes that wait for a prompt are ended first, since they stand in the
// folder; a turn that runs is not cut, but refuses the renaming.
func (s *Service) Rename(ctx context.Context, userID int64, from, to string) (Project, error) {
	if err := workspace.CheckProject(to); err != nil {
		return Project{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, dropTimeout)
	defer cancel()
	inst, _, err := s.instances.Get(ctx, userID)
	if err != nil {
		return Project{}, err
	}
	c := inst.Client()
	p, err := get(ctx, c, from)
	if err != nil || from == to {
		return p, err
	}
	if err := leave(ctx, inst, from); err != nil {
		return Project{}, err
	}
	rename := func(ctx context.Context, from, to string, out any) error {
		return ask(ctx, c, http.MethodPatch, "/projects/"+from, nil, map[string]string{"name": to}, out)
	}
	if err := rename(ctx, from, to, &p); err != nil {
		return Project{}, fmt.Errorf("rename project: %w", err)
	}
	if err := s.sessions.RenameProject(ctx, userID, from, to); err != nil {
		undo, stop := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		defer stop()
		return Project{}, errors.Join(err, rename(undo, to, from, nil))
	}
	return p, nil
}

// Delete removes a project's folder for ever. As with Rename, turns that run
// refuse it. The conversations stay in the list and can be read.
func (s *Service) Delete(ctx context.Context, userID int64, name string) error {
	ctx, cancel := context.WithTimeout(ctx, dropTimeout)
	defer cancel()
	inst, _, err := s.instances.Get(ctx, userID)
	if err != nil {
		return err
	}
	if _, err := get(ctx, inst.Client(), name); err != nil {
		return err
	}
	if err := leave(ctx, inst, name); err != nil {
		return err
	}
	if err := drop(ctx, inst.Client(), name); err != nil {
		return fmt.Errorf("delete project: %w", err)
	}
	return nil
}

// leave ends the processes of a project's sessions, unless one is at work.
func leave(ctx context.Context, inst *pool.Instance, name string) error {
	var ready []string
	busy := 0
	for _, ss := range inst.Sessions() {
		if ss.Project != name {
			continue
		}
		switch ss.State {
		case protocol.StateDormant:
		case protocol.StateReady:
			ready = append(ready, ss.ID)
		default:
			busy++
		}
	}
	if busy == 1 {
		return fault.New(fault.Conflict, "Claude is at work in this project. Interrupt it or let it finish, then try again.")
	}
	if busy > 1 {
		return fault.New(fault.Conflict, "Claude is at work in %d sessions of this project. Interrupt them or let them finish, then try again.", busy)
	}
	for _, id := range ready {
		cctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := inst.Client().CloseSession(cctx, &protocol.SessionRequest{SessionID: id})
		cancel()
		if err != nil && !errors.Is(err, fault.NotFoundError) {
			return fmt.Errorf("end the process of session %s: %w", id, err)
		}
	}
	return nil
}
