package e2e

import (
	"encoding/json"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestBuiltPage holds what only the build makes of the page: how much comes
// first, that it comes compressed, and what browsers are told of it.
func TestBuiltPage(t *testing.T) {
	dist := os.DirFS(absolute(t, "../internal/webui/dist"))
	index, err := fs.ReadFile(dist, "index.html")
	if err != nil {
		t.Fatalf("%v: build the page first, with `make web`", err)
	}
	size := func(name string) int64 {
		info, err := fs.Stat(dist, name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	find := func(what, pattern string) string {
		found := regexp.MustCompile(pattern).FindSubmatch(index)
		if found == nil {
			t.Fatalf("no %s in %s", what, index)
		}
		return string(found[1])
	}
	entry := find("first script", `<script type="module"[^>]* src="/([^"]+)"`)
	react := find("React fetched with it", `<link rel="modulepreload"[^>]* href="/(assets/react-[^"]+)"`)
	views := map[string][]string{}
	if err := json.Unmarshal([]byte(find("code of the views", `<script src="/early\.js" data-code='([^']+)'`)), &views); err != nil {
		t.Fatal(err)
	}
	var conversation string
	for path, files := range views {
		var ahead int64
		for _, name := range files {
			name = strings.TrimPrefix(name, "/")
			if size(name) >= 1024 {
				ahead += size(name + ".br")
			}
			if !strings.HasPrefix(name, "assets/conversation-") {
				continue
			}
			if path != "/s" {
				t.Errorf("%s fetches a conversation's code", path)
			}
			conversation = name
		}
		if ahead > 80_000 {
			t.Errorf("%s fetches %d bytes of JavaScript ahead; what it can begin without comes later", path, ahead)
		}
	}
	if conversation == "" {
		t.Fatalf("a conversation's code is not fetched ahead: %v", views)
	}
	var first int64
	for _, name := range []string{entry, react, conversation} {
		first += size(name + ".br")
		code, err := fs.ReadFile(dist, name)
		if err != nil {
			t.Fatal(err)
		}
		// Chromium heeds it nowhere but in the first line.
		if !strings.HasPrefix(string(code), "//# allFunctionsCalledOnLoad\n") {
			t.Errorf("%s begins with %.40q: it is compiled piece by piece", name, code)
		}
	}
	if first > 250_000 {
		t.Errorf("%d bytes of JavaScript come before a conversation is seen", first)
	}
	compressible := regexp.MustCompile(`\.(m?js|css|html)$`)
	err = fs.WalkDir(dist, ".", func(name string, _ fs.DirEntry, err error) error {
		if err == nil && compressible.MatchString(name) && size(name) >= 1024 {
			for _, twin := range []string{name + ".br", name + ".gz"} {
				if _, err := fs.Stat(dist, twin); err != nil {
					t.Errorf("%d bytes come as they are: %v", size(name), err)
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
