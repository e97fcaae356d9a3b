package files

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/rmtree"
	"github.com/carrel-dev/carrel/internal/workspace"
)

// What the helper keeps in the workspace for itself. Both are the person's own: they count to their storage, and can be
// looked into and removed like all else.
const (
	trashFolder  = workspace.Temp + "/.trash"
	uploadFolder = workspace.Temp + "/.uploads"
)

// How long it is kept.
const (
	trashAge  = 7 * 24 * time.Hour
	uploadAge = 24 * time.Hour
)

// trash puts something where it can be taken back from with a move: one rename, so it is whole here or there.
func (s *Server) trash(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		Path    string `json:"path"`
		Encoded bool   `json:"encoded"`
	}
	if err := decode(w, r, &req); err != nil {
		return err
	}
	rel, err := s.named("body.path", req.Path, req.Encoded)
	if err != nil {
		return err
	}
	if workspace.IsOwn(rel) {
		return fault.New(fault.Forbidden, "This folder belongs to the workspace and cannot be removed. Remove what is in it.")
	}
	if within(trashFolder, rel) || within(rel, trashFolder) {
		return fault.New(fault.Conflict, "That is in the trash already. Remove it for good instead.")
	}
	if _, err := s.lstat(rel); err != nil {
		return err
	}
	s.sweep(r.Context(), trashFolder, trashAge)
	place := path.Join(trashFolder, placeFor(path.Base(rel)))
	if err := s.root.MkdirAll(place, 0o755); err != nil {
		return err
	}
	to := path.Join(place, path.Base(rel))
	if err := s.rename(rel, to); err != nil {
		_ = s.root.Remove(place) // it is empty; the error to tell is the other
		return err
	}
	e, err := s.entry(to)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, e)
}

// placeFor names a folder by what it is for, so that who looks through the trash finds it, and so that no two are the same.
func placeFor(name string) string {
	const most = 100 // bytes; a name may have 255
	return strings.ToValidUTF8(name[:min(len(name), most)], "") + "-" + rand.Text()
}

// sweep removes what lies in a folder of the helper's for longer than age. Whatever cannot be removed is tried again
// the next time.
func (s *Server) sweep(ctx context.Context, folder string, age time.Duration) {
	names, err := s.names(folder, "", maxLimit)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.log.Warn("old files are not looked through", "folder", folder, "error", err)
		}
		return
	}
	dir, err := s.openFolder(folder)
	if err != nil {
		return
	}
	defer dir.Close()
	for _, name := range names {
		info, err := s.root.Lstat(path.Join(folder, name))
		if err != nil || time.Since(info.ModTime()) < age {
			continue
		}
		if err := rmtree.Remove(ctx, dir, name); err != nil {
			s.log.Warn("old files stay", "folder", folder, "error", err)
		}
	}
}

// within says whether a resolved path is a folder or lies below it.
func within(folder, rel string) bool { return rel == folder || strings.HasPrefix(rel, folder+"/") }
