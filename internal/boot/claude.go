package boot

import (
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
