package boot

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// FindClaude is the Claude CLI to show inside instances: the configured one,
// else the one that `make run` installs beside this program, else a native one
// in PATH (a script that starts one would not run inside). "" when there is none.
func FindClaude(configured, carrel string) string {
	if configured != "" {
		return configured
	}
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	here := filepath.Dir(carrel)
	candidates := []string{filepath.Join(here, "claude"), "/opt/carrel/claude"}
	for _, variant := range []string{"", "-musl"} {
		candidates = append(candidates, filepath.Join(filepath.Dir(here), ".cache", "claude", "node_modules", "@anthropic-ai", "claude-code-linux-"+arch+variant, "claude"))
	}
	if path, err := exec.LookPath("claude"); err == nil {
		candidates = append(candidates, path)
	}
	for _, c := range candidates {
		if path, err := filepath.EvalSymlinks(c); err == nil && native(path) {
			return path
		}
	}
	return ""
}

// CheckClaude says what is wrong with a CLI that is configured, "" for none.
func CheckClaude(path string) error {
	if path == "" {
		return nil
	}
	fi, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("claude.path: %w. Set it to the Claude CLI, or leave it out to have it found", err)
	case !fi.Mode().IsRegular():
		return fmt.Errorf("claude.path: %s is not a file. Set it to the Claude CLI itself", path)
	case fi.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("claude.path: %s is not executable. Mend it: chmod a+rx %s", path, path)
	case !native(path):
		return fmt.Errorf("claude.path: %s is not a native program, which alone runs inside instances. `make claude` installs one", path)
	}
	return nil
}

func native(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	magic := make([]byte, 4)
	_, err = io.ReadFull(f, magic)
	return err == nil && string(magic) == "\x7fELF"
}
