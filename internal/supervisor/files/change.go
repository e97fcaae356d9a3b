package files

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/rmtree"
	"github.com/carrel-dev/carrel/internal/workspace"
)

func (s *Server) remove(w http.ResponseWriter, r *http.Request) error {
	rel, err := s.path(r)
	if err != nil {
		return err
	}
	if workspace.IsOwn(rel) {
		return fault.New(fault.Forbidden, "This folder belongs to the workspace and cannot be removed. Remove what is in it.")
	}
	if err := s.removeAll(r.Context(), rel); err != nil {
		return err
	}
	s.leftTrash(rel)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) removeAll(ctx context.Context, rel string) error {
	parent, err := s.openFolder(path.Dir(rel))
	if err != nil {
		return err
	}
	defer parent.Close()
	return rmtree.Remove(ctx, parent, path.Base(rel))
}

func (s *Server) makeFolder(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		Path string `json:"path"`
	}
	if err := decode(w, r, &req); err != nil {
		return err
	}
	rel, err := s.newPath("body.path", req.Path)
	if err != nil {
		return err
	}
	if err := s.mkdirAll(path.Dir(rel)); err != nil {
		return err
	}
	dir, err := s.openFolder(path.Dir(rel))
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := os.NewSyscallError("mkdir", unix.Mkdirat(int(dir.Fd()), path.Base(rel), 0o755)); err != nil {
		return err
	}
	e, err := s.entry(rel)
	if err != nil {
		return err
	}
	return answer(w, http.StatusCreated, e)
}

func (s *Server) move(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		From    string `json:"from"`
		Encoded bool   `json:"encoded"` // from is
		To      string `json:"to"`
	}
	if err := decode(w, r, &req); err != nil {
		return err
	}
	from, err := s.named("body.from", req.From, req.Encoded)
	if err != nil {
		return err
	}
	to, err := s.newPath("body.to", req.To)
	if err != nil {
		return err
	}
	if workspace.IsOwn(from) {
		return fault.New(fault.Forbidden, "This folder belongs to the workspace and cannot be moved. Move what is in it.")
	}
	if strings.HasPrefix(to, from+"/") {
		return fault.InvalidField("body.to", "A folder cannot be moved into itself.")
	}
	if err := s.rename(from, to); err != nil {
		return err
	}
	s.leftTrash(from)
	e, err := s.entry(to)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, e)
}

// newPath resolves a path that is to be made; location is where the request has it.
func (s *Server) newPath(location, p string) (string, error) {
	rel, err := workspace.Resolve(s.home, p)
	if err != nil {
		return "", fault.At(location, err)
	}
	if rel == "." {
		return "", fault.InvalidField(location, "Give a path below the workspace.")
	}
	return rel, fault.At(location, workspace.CheckNew(rel))
}

// rename moves without ever taking the place of something.
func (s *Server) rename(from, to string) error {
	source, err := s.openFolder(path.Dir(from))
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := s.openFolder(path.Dir(to))
	if err != nil {
		return err
	}
	defer target.Close()
	err = unix.Renameat2(int(source.Fd()), path.Base(from), int(target.Fd()), path.Base(to), unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// A file system that cannot promise it; or a folder into itself by way of a link, which fails again here.
		if _, err := s.root.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
			return fs.ErrExist
		}
		if err = s.root.Rename(from, to); errors.Is(err, unix.EINVAL) {
			return fault.InvalidField("body.to", "A folder cannot be moved into itself.")
		}
	}
	if err != nil {
		return os.NewSyscallError("rename", err)
	}
	return nil
}
