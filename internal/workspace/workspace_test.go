package workspace

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/carrel-dev/carrel/internal/fault"
)

const home = "/home/ana"

func TestResolve(t *testing.T) {
	for in, want := range map[string]string{
		"":                              ".",
		".":                             ".",
		"/":                             ".",
		"./":                            ".",
		"projects":                      "projects",
		"projects//x/":                  "projects/x",
		"projects/x/../y":               "projects/y",
		"projects/..":                   ".",
		"/home/ana":                     ".",
		"/home/ana/":                    ".",
		"/home/ana/a b":                 "a b",
		"/home//ana/./x":                "x",
		"/home/ana/..hidden":            "..hidden",
		"...":                           "...",
		"项目/说明.md":                      "项目/说明.md",
		"with\nbreak":                   "with\nbreak",
		`back\slash`:                    `back\slash`,
		"~/x":                           "~/x",
		"%2e%2e/x":                      "%2e%2e/x",
		strings.Repeat("n", 255):        strings.Repeat("n", 255),
		"..":                            "!",
		"../x":                          "!",
		"x/../../y":                     "!",
		"/home/ana/../bo/x":             "!",
		"/home/ana/../../etc":           "!",
		"/home/anastasia":               "!",
		"/home":                         "!",
		"/etc/passwd":                   "!",
		"//etc":                         "!",
		"/projects/x":                   "!",
		"a\x00b":                        "!",
		strings.Repeat("n", 256):        "!",
		strings.Repeat("a/", 2048):      "!",
		"x/" + strings.Repeat("é", 128): "!",
	} {
		got, err := Resolve(home, in)
		switch {
		case want == "!" && fault.CodeOf(err) != fault.Invalid:
			t.Errorf("%q: got %q, %v; want it refused as invalid", in, got, err)
		case want != "!" && (err != nil || got != want):
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
	}
}

// checkResolved is what holds for every answer whatever was asked.
func checkResolved(t interface{ Fatalf(string, ...any) }, in string) {
	rel, err := Resolve(home, in)
	if err != nil {
		if rel != "" || fault.CodeOf(err) != fault.Invalid {
			t.Fatalf("%q: got %q, %v; want no path, and invalid", in, rel, err)
		}
		return
	}
	if !filepath.IsLocal(rel) || path.Clean(rel) != rel || strings.ContainsRune(rel, 0) {
		t.Fatalf("%q: %q can leave the workspace or is not clean", in, rel)
	}
	if again, err := Resolve(home, rel); err != nil || again != rel {
		t.Fatalf("%q: resolved twice gives %q, %v; want %q", in, again, err, rel)
	}
	if len(home)+1+len(rel) <= maxPathBytes {
		if abs, err := Resolve(home, home+"/"+rel); err != nil || abs != rel {
			t.Fatalf("%q: below home gives %q, %v; want %q", in, abs, err, rel)
		}
	}
}

func TestResolveNeverLeaves(t *testing.T) {
	part := rapid.OneOf(
		rapid.SampledFrom([]string{"..", ".", "", "/", "//", "home", "ana", "/home/ana", "\x00", "\n", "a", "...", "..a", `\`, "\xff", strings.Repeat("x", 256)}),
		rapid.String(),
	)
	rapid.Check(t, func(t *rapid.T) {
		checkResolved(t, strings.Join(rapid.SliceOfN(part, 0, 12).Draw(t, "parts"), rapid.SampledFrom([]string{"/", ""}).Draw(t, "between")))
	})
}

func FuzzResolve(f *testing.F) {
	for _, s := range []string{"", "..", "/home/ana/../x", "a/b", "\x00", "/home/ana//..//..", "..\x2f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkResolved(t, s) })
}

func TestCheckProject(t *testing.T) {
	for _, name := range []string{"a", "_x", "web app", "résumé", "项目一", "v1.2-rc_3", "हिन्दी", strings.Repeat("项", 64)} {
		if err := CheckProject(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", ".", "..", ".git", "-rf", " a", "a ", "a/b", `a\b`, "a\x00", "a\nb", "a:b", "a*", "\xff", strings.Repeat("a", 65), strings.Repeat("𠀀", 64), "a\u202eb"} {
		if err := CheckProject(name); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%q: got %v, want invalid", name, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		if CheckProject(name) != nil {
			return
		}
		rel, err := Resolve(home, Projects+"/"+name)
		if err != nil || rel != Projects+"/"+name || CheckNew(rel) != nil {
			t.Fatalf("%q is a name, but as a path it is %q, %v", name, rel, err)
		}
	})
}

func TestCheckNew(t *testing.T) {
	for rel, ok := range map[string]bool{"a b/项目": true, "a\nb": false, "a\x7f": false, "\xff": false, "a\u0085": false} {
		if err := CheckNew(rel); (err == nil) != ok {
			t.Errorf("%q: got %v, want ok %v", rel, err, ok)
		}
	}
}

func TestEnsure(t *testing.T) {
	for language, word := range map[string]string{"en": "Welcome, ana", "zh-CN": "欢迎，ana", "": "Welcome, ana"} {
		dir := t.TempDir()
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		if err := Ensure(root, "ana", language); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, Readme))
		if err != nil || !strings.Contains(string(b), word) || !strings.Contains(string(b), "`uploads/`") {
			t.Errorf("%s: got %q, %v", language, b, err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 4 {
			t.Errorf("%s: got %v, %v; want three folders and the README", language, entries, err)
		}
	}
}

// What is there already is left alone, and Ensure still succeeds.
func TestEnsureChangesNothing(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
	for name, target := range map[string]string{Temp: outside, Readme: outside} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, Projects), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for range 2 {
		if err := Ensure(root, "ana", "en"); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, Projects)); err != nil || string(b) != "mine" {
		t.Errorf("got %q, %v", b, err)
	}
	if _, err := os.Lstat(outside); !os.IsNotExist(err) {
		t.Errorf("a link was followed out of the workspace: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "own.md"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "own.md"), filepath.Join(dir, Readme)); err != nil {
		t.Fatal(err)
	}
	if err := Ensure(root, "ana", "en"); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, Readme)); err != nil || len(b) != 0 {
		t.Errorf("an empty README was rewritten: %q, %v", b, err)
	}
}
