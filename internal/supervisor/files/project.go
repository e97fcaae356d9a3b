package files

import (
	"errors"
	"io/fs"
	"net/http"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/workspace"
)

// Project is one folder under projects/.
type Project struct {
	Name       string    `json:"name"`
	Path       string    `json:"path"`
	CreatedAt  time.Time `json:"created_at"` // the folder's; where the file system does not know it, as modified_at
	ModifiedAt time.Time `json:"modified_at"`
}

type projectList struct {
	Items      []Project `json:"items"`
	NextCursor *string   `json:"next_cursor"`
}

func (s *Server) listProjects(w http.ResponseWriter, r *http.Request) error {
	limit, after, err := page(r)
	if err != nil {
		return err
	}
	list := projectList{Items: []Project{}}
	for {
		names, err := s.names(workspace.Projects, after, maxLimit)
		if errors.Is(err, fs.ErrNotExist) {
			return answer(w, http.StatusOK, list) // the person removed the folder: there are none
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			p, err := s.project(name)
			if err != nil {
				continue // not a project: a file, a hidden folder, a link
			}
			if len(list.Items) == limit {
				cursor := encodeCursor(list.Items[limit-1].Name)
				list.NextCursor = &cursor
				return answer(w, http.StatusOK, list)
			}
			list.Items = append(list.Items, p)
		}
		if len(names) < maxLimit {
			return answer(w, http.StatusOK, list)
		}
		after = names[len(names)-1]
	}
}

// project describes one; what is not a project is not found.
func (s *Server) project(name string) (Project, error) {
	missing := func(err error) error {
		return fault.Wrap(err, fault.NotFound, "There is no project of that name.")
	}
	if err := workspace.CheckProject(name); err != nil {
		return Project{}, missing(err)
	}
	rel := path.Join(workspace.Projects, name)
	info, err := s.root.Lstat(rel)
	if err == nil && !info.IsDir() {
		err = fs.ErrNotExist
	}
	if errors.Is(err, fs.ErrNotExist) {
		return Project{}, missing(err)
	}
	if err != nil {
		return Project{}, err
	}
	p := Project{Name: name, Path: rel, CreatedAt: info.ModTime().UTC(), ModifiedAt: info.ModTime().UTC()}
	if dir, err := s.openFolder(rel); err == nil { // one that cannot be opened is a project all the same
		defer dir.Close()
		var st unix.Statx_t
		if unix.Statx(int(dir.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &st) == nil && st.Mask&unix.STATX_BTIME != 0 {
			p.CreatedAt = time.Unix(st.Btime.Sec, int64(st.Btime.Nsec)).UTC()
		}
	}
	return p, nil
}

func (s *Server) getProject(w http.ResponseWriter, r *http.Request) error {
	p, err := s.project(r.PathValue("name"))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, p)
}

type projectName struct {
	Name string `json:"name"`
}

func (s *Server) makeProject(w http.ResponseWriter, r *http.Request) error {
	var req projectName
	if err := decode(w, r, &req); err != nil {
		return err
	}
	if err := workspace.CheckProject(req.Name); err != nil {
		return err
	}
	if err := s.root.Mkdir(workspace.Projects, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := s.root.Mkdir(path.Join(workspace.Projects, req.Name), 0o755); err != nil {
		return projectTaken(err)
	}
	p, err := s.project(req.Name)
	if err != nil {
		return err
	}
	return answer(w, http.StatusCreated, p)
}

func (s *Server) renameProject(w http.ResponseWriter, r *http.Request) error {
	old, err := s.project(r.PathValue("name"))
	if err != nil {
		return err
	}
	var req projectName
	if err := decode(w, r, &req); err != nil {
		return err
	}
	if err := workspace.CheckProject(req.Name); err != nil {
		return err
	}
	if req.Name != old.Name {
		if err := s.rename(old.Path, path.Join(workspace.Projects, req.Name)); err != nil {
			return projectTaken(err)
		}
	}
	p, err := s.project(req.Name)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, p)
}

func (s *Server) removeProject(w http.ResponseWriter, r *http.Request) error {
	p, err := s.project(r.PathValue("name"))
	if err != nil {
		return err
	}
	if err := s.removeAll(r.Context(), p.Path); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func projectTaken(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return fault.Wrap(err, fault.Conflict, "There is a project of that name already. Choose another name.")
	}
	return err
}
