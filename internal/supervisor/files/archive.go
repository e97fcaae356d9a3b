package files

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"syscall"
	"unicode/utf8"
)

// leftOut is the file of an archive that says what is not in it.
const leftOut = "NOT-IN-THIS-ARCHIVE.txt"

// archive sends a folder, or a file, as a zip while it is read. A link to a file of the workspace is that file; other
// links, what cannot be read and what is no file are left out, and the archive says so.
func (s *Server) archive(w http.ResponseWriter, r *http.Request) error {
	rel, err := s.path(r)
	if err != nil {
		return err
	}
	e, err := s.entry(rel)
	if err != nil {
		return err
	}
	if e.Type != typeFolder && e.Type != typeFile {
		return syscall.ENXIO
	}
	if e.Type == typeFolder {
		dir, err := s.openFolder(rel) // asked while it can still be told
		if err != nil {
			return err
		}
		dir.Close()
	}
	top := e.Name
	if top == "" {
		top = "workspace"
	}
	w.Header().Set("Content-Type", "application/zip")
	w.WriteHeader(http.StatusOK)
	z := zip.NewWriter(w)
	a := archiving{s: s, zip: z}
	err = a.add(r.Context(), rel, top, 0)
	if err == nil {
		err = a.sayMissing(top)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		s.log.Debug("archive ended early", "error", err)
		panic(http.ErrAbortHandler) // the status is out: only a cut connection tells that this is not all
	}
	return nil
}

const maxArchiveDepth = 200

type archiving struct {
	s       *Server
	zip     *zip.Writer
	missing []string
}

// add writes what is at rel under a name. Only the writing of the archive itself can fail.
func (a *archiving) add(ctx context.Context, rel, name string, depth int) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	info, err := a.s.stat(rel)
	if err != nil || !utf8.ValidString(name) || depth > maxArchiveDepth {
		a.missing = append(a.missing, name)
		return nil
	}
	if info.Mode().IsRegular() {
		return a.addFile(rel, name)
	}
	link, err := a.s.lstat(rel)
	if !info.IsDir() || err != nil || link.Mode()&fs.ModeSymlink != 0 && depth > 0 {
		a.missing = append(a.missing, name)
		return nil
	}
	if _, err := a.zip.CreateHeader(&zip.FileHeader{Name: name + "/", Modified: info.ModTime()}); err != nil {
		return err
	}
	names, total, err := a.s.counted(rel, "", a.s.most)
	switch {
	case err != nil:
		a.missing = append(a.missing, name)
	case total > len(names):
		a.missing = append(a.missing, fmt.Sprintf("%s: %d of its %d entries, which come after %s", name, total-len(names), total, names[len(names)-1]))
	}
	for _, n := range names {
		p := path.Join(rel, n)
		if p == trashFolder || p == uploadFolder {
			continue
		}
		if err := a.add(ctx, p, name+"/"+n, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (a *archiving) addFile(rel, name string) error {
	f, info, err := a.s.openFile(rel)
	if err != nil {
		a.missing = append(a.missing, name)
		return nil
	}
	defer f.Close()
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: info.ModTime()}
	h.SetMode(info.Mode().Perm())
	to, err := a.zip.CreateHeader(h)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, f)
	return err
}

func (a *archiving) sayMissing(top string) error {
	if len(a.missing) == 0 {
		return nil
	}
	to, err := a.zip.Create(top + "/" + leftOut)
	if err != nil {
		return err
	}
	_, err = io.WriteString(to, strings.Join(a.missing, "\n")+"\n")
	return err
}
