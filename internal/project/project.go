// Package project owns projects as the server sees them: folders under
// projects/ of a person's workspace, made empty, from a sample or from a git
// repository, renamed and deleted. All of it is done by the file part of the
// supervisor and by git inside the instance; the server opens no file of a
// person's and runs nothing on them.
package project

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/supervisor/client"
	"github.com/carrel-dev/carrel/internal/workspace"
)

// Project is one folder under projects/.
type Project struct {
	Name       string    `json:"name"`
	Path       string    `json:"path"` // relative to the workspace
	CreatedAt  time.Time `json:"created_at"`
	ModifiedAt time.Time `json:"modified_at"`
}

// New is what making one takes. At most one of GitURL and Template is set.
type New struct {
	Name     string
	GitURL   string // an https:// address to clone from
	Template string // "" and "empty": nothing in it; "sample": a small program to try
}

// Instances gives users their instances; package pool is one.
type Instances interface {
	Get(ctx context.Context, userID int64) (inst *pool.Instance, created bool, err error)
}

// Sessions is the catalogue of conversations, which names their projects.
type Sessions interface {
	RenameProject(ctx context.Context, userID int64, from, to string) error
}

const (
	callTimeout  = 30 * time.Second
	cloneTimeout = 10 * time.Minute
	dropTimeout  = 2 * time.Minute // of a folder with very many files
	maxAnswer    = 4 << 20
)

// Service makes and changes projects. It holds no state.
type Service struct {
	instances Instances
	sessions  Sessions
	log       *slog.Logger
}

// NewService returns a service.
func NewService(instances Instances, sessions Sessions, log *slog.Logger) *Service {
	return &Service{instances: instances, sessions: sessions, log: log}
}

// List gives the user's projects by name.
func (s *Service) List(ctx context.Context, userID int64, limit int, cursor string) (items []Project, next string, err error) {
	q := url.Values{}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	var page struct {
		Items      []Project `json:"items"`
		NextCursor *string   `json:"next_cursor"`
	}
	err = s.with(ctx, userID, callTimeout, func(ctx context.Context, c *client.Client) error {
		return ask(ctx, c, http.MethodGet, "/projects", q, nil, &page)
	})
	if err != nil {
		return nil, "", fmt.Errorf("list projects: %w", err)
	}
	if page.NextCursor != nil {
		next = *page.NextCursor
	}
	return append([]Project{}, page.Items...), next, nil
}

// Get gives one project.
func (s *Service) Get(ctx context.Context, userID int64, name string) (Project, error) {
	var p Project
	err := s.with(ctx, userID, callTimeout, func(ctx context.Context, c *client.Client) (err error) {
		p, err = get(ctx, c, name)
		return err
	})
	return p, err
}

// Exists is nil when the instance has the project. It is for callers that
// have the instance at hand.
func Exists(ctx context.Context, c *client.Client, name string) error {
	_, err := get(ctx, c, name)
	return err
}

func get(ctx context.Context, c *client.Client, name string) (Project, error) {
	var p Project
	if err := workspace.CheckProject(name); err != nil { // it must not become another path
		return p, fault.New(fault.NotFound, "There is no project of that name.")
	}
	if err := ask(ctx, c, http.MethodGet, "/projects/"+name, nil, nil, &p); err != nil {
		return p, fmt.Errorf("look at project: %w", err)
	}
	return p, nil
}

func (s *Service) with(ctx context.Context, userID int64, timeout time.Duration, f func(context.Context, *client.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	inst, _, err := s.instances.Get(ctx, userID)
	if err != nil {
		return err
	}
	return f(ctx, inst.Client())
}

// ask asks the file part; body and out are JSON, and may be nil.
func ask(ctx context.Context, c *client.Client, method, path string, q url.Values, body, out any) error {
	var r io.Reader
	h := http.Header{}
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		r = bytes.NewReader(b)
		h.Set("Content-Type", "application/json")
	}
	res, err := c.HTTP(ctx, method, path, q, h, r)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return &fault.Error{Code: fault.InstanceUnavailable, RetryAfter: 2 * time.Second, Err: err,
			Detail: "Your instance did not answer. Try again in a few seconds."}
	}
	if err := client.Problem(res); err != nil {
		return err
	}
	defer res.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("read the file part's answer: %w", err)
	}
	return nil
}
