package inside

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnpackOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bin")
	path, err := Unpack(dir)
	if err != nil {
		t.Fatal(err)
	}
	if path == "" {
		// This build carries none, which is fine too: nothing was made then.
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a folder was made for nothing: %v", err)
		}
		return
	}
	first, err := os.Stat(path)
	if err != nil || first.Mode() != 0o555 || filepath.Dir(path) != dir {
		t.Fatalf("%s: %v, %v; want a program that nobody may change", path, first, err)
	}
	again, err := Unpack(dir)
	if err != nil || again != path {
		t.Errorf("again: %s, %v; want %s", again, err, path)
	}
	if second, err := os.Stat(path); err != nil || !os.SameFile(first, second) {
		t.Errorf("it was written again: %v", err)
	}
	// One that was cut short, as by a full disk, is made anew.
	if err := errors.Join(os.Chmod(path, 0o755), os.Truncate(path, 100), os.Chmod(path, 0o555)); err != nil {
		t.Fatal(err)
	}
	if _, err := Unpack(dir); err != nil {
		t.Fatal(err)
	}
	if third, err := os.Stat(path); err != nil || third.Size() != first.Size() {
		t.Errorf("after it was cut: %v, %v", third, err)
	}
}

func TestWriteReplacesWhatACrashLeft(t *testing.T) {
	dir := t.TempDir()
	path, victim := filepath.Join(dir, "carrel-1"), filepath.Join(dir, "victim")
	program := []byte("a program")
	for what, plant := range map[string]func() error{
		"half of it, not writable": func() error { return os.WriteFile(path+".new", []byte("half"), 0o555) },
		"a link": func() error {
			return errors.Join(os.WriteFile(victim, []byte("untouched"), 0o600), os.Symlink(victim, path+".new"))
		},
	} {
		if err := plant(); err != nil {
			t.Fatal(err)
		}
		if err := write(dir, path, bytes.NewReader(program)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, program) {
			t.Errorf("%s: %q, %v", what, b, err)
		}
		if _, err := os.Lstat(path + ".new"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: left at the new name: %v", what, err)
		}
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "untouched" {
		t.Errorf("what the link led to: %q, %v", b, err)
	}
}

// A disk that fills leaves the program that was there.
func TestWriteThatFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "carrel-1")
	if err := os.WriteFile(path, []byte("before"), 0o555); err != nil {
		t.Fatal(err)
	}
	if err := write(dir, path, &broken{Reader: strings.NewReader("half")}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("write: %v; want the reader's error", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "before" {
		t.Errorf("there is %q, %v; want what was there", b, err)
	}
}

type broken struct{ *strings.Reader }

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Else io.Copy takes strings.Reader's own way.
func (b *broken) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, struct{ io.Reader }{b}) }
