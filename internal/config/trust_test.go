package config

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// The server can make files in the data folder, and settings say what root
// runs: a carrel.yaml that is found there counts only when it is root's, or of
// who starts Carrel, and theirs alone to change.
func TestFoundFileMustBeTrusted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test makes files of other users: run it as root")
	}
	const serverUID = 1073741822
	for _, c := range []struct {
		what string
		make func(path string) error
		want string // "" is taken
	}{
		{"root's", func(string) error { return nil }, ""},
		{"root's, which all may read", func(p string) error { return os.Chmod(p, 0o644) }, ""},
		{"the server's", func(p string) error { return os.Lchown(p, serverUID, serverUID) }, "belongs to uid 1073741822"},
		{"root's, which the group may write", func(p string) error { return os.Chmod(p, 0o660) }, "others may write"},
		{"root's, which all may write", func(p string) error { return os.Chmod(p, 0o602) }, "others may write"},
		{"a link of root's to root's", func(p string) error { return link(p, false, 0) }, ""},
		{"a link of the server's to root's", func(p string) error { return link(p, true, 0) }, "belongs to uid 1073741822"},
		{"a link of root's to the server's", func(p string) error { return link(p, false, serverUID) }, "belongs to uid 1073741822"},
		{"a pipe", func(p string) error { return anew(p, func() error { return unix.Mkfifo(p, 0o600) }) }, "regular file"},
		{"a folder", func(p string) error { return anew(p, func() error { return os.Mkdir(p, 0o700) }) }, "regular file"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, FileName)
		if err := os.WriteFile(path, []byte("oci.command: /tmp/other\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.make(path); err != nil {
			t.Fatal(err)
		}
		got, err := Load(t.Context(), Sources{Environ: []string{"CARREL_DATA_DIR=" + dir}})
		if c.want == "" {
			if err != nil || got.OCI.Command != "/tmp/other" {
				t.Errorf("%s: %v, command %q; want it taken", c.what, err, got.OCI.Command)
			}
			continue
		}
		wantFaults(t, err, map[string]string{path: c.want})
		// Who names it has chosen it.
		if _, err := Load(t.Context(), Sources{File: path, Environ: []string{"CARREL_DATA_DIR=" + dir}}); err != nil && c.want != "regular file" {
			t.Errorf("%s, named: %v", c.what, err)
		}
	}
}

func anew(path string, make func() error) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return make()
}

func link(path string, servers bool, targetUID int) error {
	target := path + ".target"
	if err := os.Rename(path, target); err != nil {
		return err
	}
	if err := os.Symlink(target, path); err != nil {
		return err
	}
	if servers {
		if err := os.Lchown(path, 1073741822, 1073741822); err != nil {
			return err
		}
	}
	return os.Lchown(target, targetUID, targetUID)
}
