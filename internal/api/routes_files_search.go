package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// FoundFiles are the files and folders that a name finds.
type FoundFiles struct {
	Items []FileEntry `json:"items" doc:"The best first."`
	Cut   string      `json:"cut" enum:",time,size" doc:"Empty when all was looked through; else why not: it took too long, or there is too much."`
}

// FoundLine is a line of a file, cut to what surrounds the first find in it.
type FoundLine struct {
	Path   string `json:"path" example:"projects/thesis/main.go" doc:"Relative to the workspace."`
	Line   int    `json:"line" example:"12" doc:"Its number, from 1."`
	Before string `json:"before" doc:"What stands before the find."`
	Match  string `json:"match" doc:"The find."`
	After  string `json:"after" doc:"What follows it."`
}

// FoundLines are the lines that a search in files found.
type FoundLines struct {
	Items []FoundLine `json:"items" doc:"File by file, the nearest folders first."`
	Files int         `json:"files" example:"214" doc:"How many files were looked into."`
	Cut   string      `json:"cut" enum:",time,size,results" doc:"Empty when all was looked through; else why not: it took too long, there is too much, or there are more results than asked for."`
}

// SearchPlace is where to look.
type SearchPlace struct {
	Project string `query:"project" maxLength:"255" doc:"Only in this project."`
	Path    string `query:"path" doc:"Only below this folder, relative to the workspace."`
	All     bool   `query:"all" doc:"Also in hidden folders and in what package managers fetched, such as .git and node_modules."`
}

func (p SearchPlace) query(ctx context.Context, words string, limit int) (url.Values, error) {
	q := url.Values{"q": {words}, "limit": {strconv.Itoa(limit)}, "project": {p.Project}, "path": {p.Path}, "all": {strconv.FormatBool(p.All)}}
	return q, checkPath(caller(ctx), "query.path", p.Path)
}

type (
	fileSearchInput struct {
		Query string `query:"q" required:"true" minLength:"1" maxLength:"200" example:"main go" doc:"Words that all must be in the path, in any case; their letters in order are enough."`
		SearchPlace
		Limit int `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"How many at most."`
	}
	grepInput struct {
		Query string `query:"q" required:"true" minLength:"1" maxLength:"200" example:"TODO" doc:"What to find in a line."`
		SearchPlace
		Regexp bool `query:"regexp" doc:"q is a regular expression, in RE2's syntax."`
		Case   bool `query:"case" doc:"Upper and lower case differ."`
		Limit  int  `query:"limit" minimum:"1" maximum:"500" default:"200" doc:"How many lines at most."`
	}
)

func (s *Server) registerFileSearch() {
	route(s, signedIn, huma.Operation{Method: http.MethodGet, Path: "/files/search", Summary: "Find files and folders by name",
		Description: "Looks for a few seconds at most."},
		func(ctx context.Context, in *fileSearchInput) (*body[FoundFiles], error) {
			q, err := in.query(ctx, in.Query, in.Limit)
			if err != nil {
				return nil, err
			}
			f, err := ask[FoundFiles](ctx, s, http.MethodGet, "/search", q, nil)
			if f.Items == nil {
				f.Items = []FileEntry{}
			}
			return &body[FoundFiles]{Body: f}, err
		})
	route(s, signedIn, huma.Operation{Method: http.MethodGet, Path: "/files/grep", Summary: "Find lines in files",
		Description: "Looks for a few seconds at most, into files of up to 4 MiB that are text (UTF-8, UTF-16 with a mark, GB18030), and at 100 lines of each."},
		func(ctx context.Context, in *grepInput) (*body[FoundLines], error) {
			q, err := in.query(ctx, in.Query, in.Limit)
			if err != nil {
				return nil, err
			}
			q.Set("regexp", strconv.FormatBool(in.Regexp))
			q.Set("case", strconv.FormatBool(in.Case))
			f, err := ask[FoundLines](ctx, s, http.MethodGet, "/grep", q, nil)
			if f.Items == nil {
				f.Items = []FoundLine{}
			}
			return &body[FoundLines]{Body: f}, err
		})
}
