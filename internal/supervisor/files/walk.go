package files

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Bounds of a walk through a tree: whoever has more looks in one folder of it.
const (
	walkTime    = 4 * time.Second
	walkEntries = 300_000
)

// Why a walk saw less than all.
const (
	cutTime    = "time"
	cutSize    = "size"
	cutResults = "results"
)

var errCut = errors.New("cut short")

// skipped are folders of what programs made, not people.
var skipped = []string{"node_modules", "__pycache__", "venv"}

// walk calls visit with every file and folder below rel, nearest first and by name, and says why it ended early. Links
// are told of and not followed. Unless all is asked for, hidden folders, what a package manager fetched and the
// helper's own are left out.
func (s *Server) walk(ctx context.Context, rel string, all bool, visit func(p string, e fs.DirEntry) error) (cut string, err error) {
	end := time.Now().Add(walkTime)
	left := walkEntries
	for queue := []string{rel}; len(queue) > 0; queue = queue[1:] {
		entries, whole, err := s.entries(queue[0])
		if err != nil {
			if queue[0] == rel {
				return "", err
			}
			continue // gone meanwhile, or closed to its owner
		}
		if !whole {
			cut = cutSize
		}
		for _, e := range entries {
			if left--; left < 0 {
				return cutSize, nil
			}
			if ctx.Err() != nil {
				return "", ctx.Err()
			}
			if time.Now().After(end) {
				return cutTime, nil
			}
			if e.IsDir() && !all && (strings.HasPrefix(e.Name(), ".") && e.Name() != ".github" || slices.Contains(skipped, e.Name())) {
				continue
			}
			p := path.Join(queue[0], e.Name())
			if err := visit(p, e); errors.Is(err, errCut) {
				return cutResults, nil
			} else if errors.Is(err, errLate) {
				return cutTime, nil
			} else if err != nil {
				return "", err
			}
			if e.IsDir() {
				queue = append(queue, p)
			}
		}
	}
	return cut, nil
}

// maxFolderEntries bounds what of one folder is kept in memory.
const maxFolderEntries = 50_000

// entries gives what is in a folder, by name, and whether that is all.
func (s *Server) entries(rel string) (entries []fs.DirEntry, whole bool, err error) {
	dir, err := s.openFolder(rel)
	if err != nil {
		return nil, false, err
	}
	defer dir.Close()
	entries, err = dir.ReadDir(maxFolderEntries)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, len(entries) < maxFolderEntries, nil
}
