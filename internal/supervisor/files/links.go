package files

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/carrel-dev/carrel/internal/fault"
)

// Bounds of following: links in a row, as in Linux, and names, each of which is looked up from the top.
const (
	maxLinks   = 40
	maxFollows = 1000
)

// follow gives the path of what a path leads to in the end: so that saving over a link changes the file and not the
// link, and because a root refuses every absolute link, also one into the workspace. What is not there is kept as it
// is. Whatever follow answers is still opened through the root, as it may have changed since.
func (s *Server) follow(rel string) (string, error) {
	info, err := s.root.Lstat(rel)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&fs.ModeSymlink == 0 {
		return rel, nil
	}
	if err != nil && !leadsOut(err) {
		return "", err
	}
	done, left := ".", strings.Split(rel, "/")
	for links, names := 0, 0; len(left) > 0; names++ {
		if links > maxLinks || names > maxFollows {
			return "", syscall.ELOOP
		}
		name := left[0]
		left = left[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			if done == "." {
				return "", errLeadsOut()
			}
			done = path.Dir(done)
			continue
		}
		next := path.Join(done, name)
		target, err := s.root.Readlink(next)
		if errors.Is(err, syscall.EINVAL) || errors.Is(err, fs.ErrNotExist) { // no link
			done = next
			continue
		}
		if err != nil {
			return "", err
		}
		links++
		if path.IsAbs(target) {
			below, ok := strings.CutPrefix(target+"/", path.Clean(s.home)+"/")
			if !ok {
				return "", errLeadsOut()
			}
			done, target = ".", below
		}
		left = append(strings.Split(target, "/"), left...)
	}
	return done, nil
}

func errLeadsOut() error {
	return fault.New(fault.Invalid, "The path leads over a link that does not end in your workspace.")
}

// inside does something with a path, and once more with what it leads to where the root finds an absolute link in it.
func inside[T any](s *Server, rel string, do func(rel string) (T, error)) (T, error) {
	v, err := do(rel)
	if !leadsOut(err) {
		return v, err
	}
	to, ferr := s.follow(rel)
	if ferr != nil {
		return v, err
	}
	return do(to)
}

func (s *Server) stat(rel string) (fs.FileInfo, error) { return inside(s, rel, s.root.Stat) }

// lstat is of the last name itself, be it a link.
func (s *Server) lstat(rel string) (fs.FileInfo, error) {
	dir, name := path.Split(rel)
	return inside(s, path.Clean(dir), func(dir string) (fs.FileInfo, error) { return s.root.Lstat(path.Join(dir, name)) })
}

func (s *Server) mkdirAll(rel string) error {
	_, err := inside(s, rel, func(rel string) (none struct{}, err error) { return none, s.root.MkdirAll(rel, 0o755) })
	return err
}

// openFolder opens a folder, and nothing else.
func (s *Server) openFolder(rel string) (*os.File, error) {
	return inside(s, rel, func(rel string) (*os.File, error) {
		return s.root.OpenFile(rel, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
	})
}
