package files

import (
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/workspace"
)

// Kinds of entry.
const (
	typeFile   = "file"
	typeFolder = "folder"
	typeLink   = "link" // one that leads nowhere, or out of the workspace; others show what they lead to
	typeOther  = "other"
)

// Entry is one file or folder.
type Entry struct {
	Name       string    `json:"name"`
	Path       string    `json:"path"` // relative to the workspace
	Type       string    `json:"type"`
	Link       bool      `json:"link,omitempty"` // reached over a link
	SizeBytes  int64     `json:"size_bytes"`
	ModifiedAt time.Time `json:"modified_at"`
	// EncodedPath is the path, percent-encoded, when JSON cannot hold its bytes: a query takes it as it is.
	EncodedPath string `json:"encoded_path,omitempty"`
}

// Folder is a folder with a page of what is in it.
type Folder struct {
	Entry
	Items      []Entry `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// Pages of a folder.
const (
	defaultLimit = 200
	maxLimit     = 1000
)

func (s *Server) get(w http.ResponseWriter, r *http.Request) error {
	rel, err := s.path(r)
	if err != nil {
		return err
	}
	e, err := s.entry(rel)
	if err != nil {
		return err
	}
	if e.Type != typeFolder {
		return answer(w, http.StatusOK, e)
	}
	limit, after, err := page(r)
	if err != nil {
		return err
	}
	names, err := s.names(rel, after, limit+1)
	if err != nil {
		return err
	}
	f := Folder{Entry: e, Items: []Entry{}}
	if len(names) > limit {
		names = names[:limit]
		cursor := encodeCursor(names[limit-1])
		f.NextCursor = &cursor
	}
	for _, name := range names {
		item, err := s.entry(path.Join(rel, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			item = Entry{Name: name, Path: path.Join(rel, name), EncodedPath: encodedPath(path.Join(rel, name)), Type: typeOther} // closed to its owner, but there
		}
		f.Items = append(f.Items, item)
	}
	return answer(w, http.StatusOK, f)
}

// encodeCursor makes a cursor of the last name of a page.
func encodeCursor(name string) string { return base64.RawURLEncoding.EncodeToString([]byte(name)) }

// path is the path that a request names.
func (s *Server) path(r *http.Request) (string, error) {
	return workspace.Resolve(s.home, r.URL.Query().Get("path"))
}

// encodedPath is "" for a path that needs none.
func encodedPath(rel string) string {
	if utf8.ValidString(rel) {
		return ""
	}
	return strings.ReplaceAll(url.QueryEscape(rel), "+", "%20")
}

// named is the path that a request's body names at a location, which may be encoded as in an Entry.
func (s *Server) named(location, p string, encoded bool) (string, error) {
	if encoded {
		var err error
		if p, err = url.PathUnescape(p); err != nil {
			return "", fault.InvalidField(location, "The path is not percent-encoded.")
		}
	}
	rel, err := workspace.Resolve(s.home, p)
	return rel, fault.At(location, err)
}

func page(r *http.Request) (limit int, after string, err error) {
	limit = defaultLimit
	if v := r.URL.Query().Get("limit"); v != "" {
		if limit, err = strconv.Atoi(v); err != nil || limit < 1 || limit > maxLimit {
			return 0, "", fault.InvalidField("query.limit", "The limit must be a number from 1 to %d.", maxLimit)
		}
	}
	b, err := base64.RawURLEncoding.DecodeString(r.URL.Query().Get("cursor"))
	if err != nil {
		return 0, "", fault.InvalidField("query.cursor", "That is not a cursor of this list.")
	}
	return limit, string(b), nil
}

// entry describes one path.
func (s *Server) entry(rel string) (Entry, error) {
	info, err := s.lstat(rel)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Name: path.Base(rel), Path: rel}
	if rel == "." {
		e.Name, e.Path = "", ""
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		e.Link = true
		if target, err := s.stat(rel); err == nil { // else it leads nowhere, or out
			info = target
		}
	}
	e.EncodedPath = encodedPath(rel)
	e.ModifiedAt = info.ModTime().UTC()
	switch info.Mode().Type() {
	case 0:
		e.Type, e.SizeBytes = typeFile, info.Size()
	case fs.ModeDir:
		e.Type = typeFolder
	case fs.ModeSymlink:
		e.Type = typeLink
	default:
		e.Type = typeOther
	}
	return e, nil
}

// names gives the n names of a folder that follow after, in order.
func (s *Server) names(rel, after string, n int) ([]string, error) {
	names, _, err := s.counted(rel, after, n)
	return names, err
}

// counted gives names, and of how many they are the first. A folder may hold millions: what is kept in memory at a
// time is bounded.
func (s *Server) counted(rel, after string, n int) (kept []string, total int, err error) {
	dir, err := s.openFolder(rel)
	if err != nil {
		return nil, 0, err
	}
	defer dir.Close()
	for {
		batch, err := dir.Readdirnames(1024)
		for _, name := range batch {
			if name > after {
				kept = append(kept, name)
				total++
			}
		}
		if len(kept) > max(2*n, 4096) {
			slices.Sort(kept)
			clear(kept[n:])
			kept = kept[:n]
		}
		if errors.Is(err, io.EOF) {
			slices.Sort(kept)
			return kept[:min(n, len(kept))], total, nil
		}
		if err != nil {
			return nil, 0, err
		}
	}
}
