package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/project"
)

// cloneTimeout is more than package project gives a clone.
const cloneTimeout = 12 * time.Minute

type (
	projectNameInput struct {
		Name string `path:"name" maxLength:"255" doc:"The project's name."`
	}
	newProjectInput struct {
		Body struct {
			Name     string `json:"name" maxLength:"255" example:"thesis" doc:"1 to 64 letters, digits, spaces, or . _ -; it begins with a letter or a digit."`
			GitURL   string `json:"git_url,omitempty" maxLength:"2048" example:"https://github.com/ana/thesis.git" doc:"A repository to begin with a clone of; https only."`
			Template string `json:"template,omitempty" maxLength:"100" example:"sample" doc:"empty, or sample: a small program to try. Not together with git_url."`
		} `nameHint:"NewProject"`
	}
	changeProjectInput struct {
		Name string `path:"name" maxLength:"255" doc:"The project's name."`
		Body struct {
			Name string `json:"name" maxLength:"255" example:"dissertation" doc:"Its new name."`
		} `nameHint:"ProjectChange"`
	}
)

func (s *Server) registerProjects() {
	projects := s.deps.Projects
	route(s, signedIn, huma.Operation{Method: http.MethodGet, Path: "/projects", Summary: "Own projects, by name"},
		func(ctx context.Context, in *Page) (*body[List[project.Project]], error) {
			items, next, err := projects.List(ctx, caller(ctx).ID, in.Limit, in.Cursor)
			if err != nil {
				return nil, err
			}
			return listOf(items, next), nil
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPost, Path: "/projects", Summary: "Make a project", DefaultStatus: http.StatusCreated,
		Description: "Answered when the clone is done, if there is one. A project that could not be filled is not made.",
		Metadata:    map[string]any{metaTimeout: cloneTimeout}},
		func(ctx context.Context, in *newProjectInput) (*body[project.Project], error) {
			p, err := projects.Create(ctx, caller(ctx).ID, project.New{Name: in.Body.Name, GitURL: in.Body.GitURL, Template: in.Body.Template})
			return &body[project.Project]{Body: p}, err
		})
	route(s, signedIn, huma.Operation{Method: http.MethodGet, Path: "/projects/{name}", Summary: "One project"},
		func(ctx context.Context, in *projectNameInput) (*body[project.Project], error) {
			p, err := projects.Get(ctx, caller(ctx).ID, in.Name)
			return &body[project.Project]{Body: p}, err
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPatch, Path: "/projects/{name}", Summary: "Rename a project",
		Description: "Its sessions go with it. A turn that runs refuses it."},
		func(ctx context.Context, in *changeProjectInput) (*body[project.Project], error) {
			p, err := projects.Rename(ctx, caller(ctx).ID, in.Name, in.Body.Name)
			return &body[project.Project]{Body: p}, err
		})
	route(s, signedIn, huma.Operation{Method: http.MethodDelete, Path: "/projects/{name}", Summary: "Delete a project with all its files",
		Description: "Its sessions stay in the list and can be read. A turn that runs refuses it."},
		func(ctx context.Context, in *projectNameInput) (*nothing, error) {
			return nil, projects.Delete(ctx, caller(ctx).ID, in.Name)
		})
}
