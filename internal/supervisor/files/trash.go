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
	"unicode/utf8"

	"golang.org/x/sys/unix"

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
	s.noteFrom(place, rel)
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

// Deleted is something in the trash.
type Deleted struct {
	Entry
	From      string    `json:"from,omitempty"` // where it was; "": not known
	DeletedAt time.Time `json:"deleted_at"`
}

// listTrash gives what is in the trash, by the names of the folders that were made for it.
func (s *Server) listTrash(w http.ResponseWriter, r *http.Request) error {
	limit, after, err := page(r)
	if err != nil {
		return err
	}
	list := struct {
		Items      []Deleted `json:"items"`
		NextCursor *string   `json:"next_cursor"`
	}{Items: []Deleted{}}
	places, err := s.names(trashFolder, after, limit+1)
	if errors.Is(err, fs.ErrNotExist) {
		return answer(w, http.StatusOK, list) // nothing was ever removed
	}
	if err != nil {
		return err
	}
	if len(places) > limit {
		places = places[:limit]
		cursor := encodeCursor(places[limit-1])
		list.NextCursor = &cursor
	}
	for _, name := range places {
		if d, ok := s.deleted(path.Join(trashFolder, name)); ok {
			list.Items = append(list.Items, d)
		}
	}
	return answer(w, http.StatusOK, list)
}

// deleted is what lies in a place of the trash. What somebody put there by other means is told as it is.
func (s *Server) deleted(place string) (Deleted, bool) {
	info, err := s.lstat(place)
	if err != nil {
		return Deleted{}, false
	}
	d := Deleted{DeletedAt: info.ModTime().UTC()}
	of := place
	if info.IsDir() {
		names, err := s.names(place, "", 2)
		switch {
		case err == nil && len(names) == 0:
			return Deleted{}, false // it was taken back
		case err == nil && len(names) == 1:
			of = path.Join(place, names[0])
		}
	}
	if from := s.cameFrom(of); utf8.ValidString(from) { // what JSON cannot hold is known all the same when it is put back
		d.From = from
	}
	d.Entry, err = s.entry(of)
	return d, err == nil
}

// keptFrom is the attribute in which a place of the trash notes where from it was filled.
const keptFrom = "user.carrel.from"

// noteFrom notes where what is put in a place was. Where there is no room for that, or the file system cannot, it can
// still be put elsewhere.
func (s *Server) noteFrom(place, rel string) {
	dir, err := s.openFolder(place)
	if err != nil {
		return
	}
	defer dir.Close()
	if err := unix.Fsetxattr(int(dir.Fd()), keptFrom, []byte(rel), 0); err != nil {
		s.log.Debug("where something was is not noted", "error", err)
	}
}

// cameFrom is where something in the trash was; "" where that is not known. The person may have written there what they like.
func (s *Server) cameFrom(rel string) string {
	name, rest, _ := strings.Cut(strings.TrimPrefix(rel, trashFolder+"/"), "/")
	dir, err := s.openFolder(path.Join(trashFolder, name))
	if err != nil {
		return ""
	}
	defer dir.Close()
	b := make([]byte, unix.PathMax)
	n, err := unix.Fgetxattr(int(dir.Fd()), keptFrom, b)
	if err != nil {
		return ""
	}
	from, err := workspace.Resolve(s.home, string(b[:n]))
	if top, _, _ := strings.Cut(rest, "/"); err != nil || path.Base(from) != top || within(trashFolder, from) {
		return ""
	}
	return path.Join(path.Dir(from), rest)
}

// restore takes a removal back. Where the name is taken by now it is found beside it, with a number.
func (s *Server) restore(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		Path    string `json:"path"`
		Encoded bool   `json:"encoded"`
		To      string `json:"to"`
	}
	if err := decode(w, r, &req); err != nil {
		return err
	}
	rel, err := s.named("body.path", req.Path, req.Encoded)
	if err != nil {
		return err
	}
	if rel == trashFolder || !within(trashFolder, rel) {
		return fault.InvalidField("body.path", "That is not in the trash.")
	}
	if _, err := s.lstat(rel); err != nil {
		return err
	}
	to := s.cameFrom(rel)
	if req.To != "" {
		if to, err = s.newPath("body.to", req.To); err != nil {
			return err
		}
	} else if to == "" {
		to = path.Join(workspace.Uploads, path.Base(rel))
	}
	if err := s.mkdirAll(path.Dir(to)); err != nil {
		return err
	}
	if to, err = s.renameBeside(rel, to); err != nil {
		return err
	}
	s.leftTrash(rel)
	e, err := s.entry(to)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, e)
}

// leftTrash removes the place that was made for what has left it; if anything else is in it, it stays.
func (s *Server) leftTrash(rel string) {
	if place := path.Dir(rel); path.Dir(place) == trashFolder {
		_ = s.root.Remove(place)
	}
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
