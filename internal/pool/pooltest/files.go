package pooltest

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"github.com/carrel-dev/carrel/internal/supervisor/files"
)

// openHome makes the workspace's folders, and the real file part on them.
func openHome(dir string) (http.Handler, *os.Root, error) {
	for _, d := range []string{"projects", "temp", "uploads"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, nil, err
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, err
	}
	return files.New(root, "/home/person", slog.New(slog.DiscardHandler)), root, nil
}

// Home is the folder of the workspace.
func (v *Volume) Home() string { return v.home }

// AddProject makes a project's folder.
func (v *Volume) AddProject(name string) {
	if err := os.MkdirAll(filepath.Join(v.home, "projects", name), 0o755); err != nil {
		panic(err) // a test's own mistake
	}
}
