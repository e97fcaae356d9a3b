package e2e

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

func contractProjects(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "project-bob")
	create := func(name string) carrel.Response {
		return bob.Do("POST", "/projects", map[string]any{"name": name}, nil)
	}
	for _, name := range []string{"thesis", "论文", "diplôme 2", "a.b-c_d", "v1.2", "9lives", "项目.第一章", strings.Repeat("名", 64)} {
		res := create(name)
		if res.StatusCode != 201 {
			t.Errorf("project %q: %s %s", name, res.Status, res.Text)
			continue
		}
		wellFormed(t, res, "name")
		at := "/projects/" + url.PathEscape(name)
		var p struct{ Name, Path string }
		bob.Must(200, "GET", at, nil, &p)
		if p.Name != name || p.Path != "projects/"+name {
			t.Errorf("project %q: got %+v", name, p)
		}
		bob.Must(200, "GET", "/files?path="+url.QueryEscape("projects/"+name), nil, nil)
		refused(t, "the name again", create(name), 409, "conflict")
		bob.Must(204, "DELETE", at, nil, nil)
		refused(t, "deleted", bob.Do("GET", at, nil, nil), 404, "not_found")
		refused(t, "deleting it again", bob.Do("DELETE", at, nil, nil), 404, "not_found")
	}
	for _, name := range []string{"", " ", ".", "..", "...", "../x", "a/b", "/etc", "a\\b", ".hidden", "-rf", "a\nb", "a\x00b", "a\tb", "x ",
		strings.Repeat("a", 200), strings.Repeat("名", 65), strings.Repeat("a", 300), "a:b", "a*", "a?", "\u202ea"} {
		if utf8.ValidString(name) {
			names(t, "project "+name, create(name), "body.name")
		}
	}
	for _, at := range []string{"..%2F..", "..", "%2e%2e", "a%2Fb", ".carrel", "%00", "x%0a"} {
		res := request{method: "GET", path: "/projects/" + at, header: map[string]string{"Authorization": "Bearer " + tokenOf(bob)}}.send(t, bob.Server().URL)
		if res.StatusCode/100 == 2 || res.StatusCode/100 == 5 {
			t.Errorf("GET /projects/%s: %s %s", at, res.Status, res.Text)
		}
	}

	// A template, a rename with its sessions, and what is not a project.
	bob.Must(201, "POST", "/projects", map[string]any{"name": "made", "template": "sample"}, nil)
	if l := bob.Must(200, "GET", "/files?path=projects/made", nil, nil); !strings.Contains(l.Text, `"type":"file"`) {
		t.Errorf("a project of a template holds %s", l.Text)
	}
	names(t, "a template that is none", bob.Do("POST", "/projects", map[string]any{"name": "no", "template": "none"}, nil), "body.template")
	id := newSession(bob, "made")
	if res := bob.Must(200, "PATCH", "/projects/made", map[string]any{"name": "renamed"}, nil); !strings.Contains(res.Text, `"name":"renamed"`) {
		t.Errorf("renamed: %s", res.Text)
	}
	refused(t, "the old name", bob.Do("GET", "/projects/made", nil, nil), 404, "not_found")
	if s := bob.Must(200, "GET", "/sessions/"+id, nil, nil); !strings.Contains(s.Text, `"project":"renamed"`) {
		t.Errorf("its session: %s", s.Text)
	}
	bob.Must(201, "POST", "/projects", map[string]any{"name": "other"}, nil)
	refused(t, "a name that is taken", bob.Do("PATCH", "/projects/other", map[string]any{"name": "renamed"}, nil), 409, "conflict")
	names(t, "a name that is none", bob.Do("PATCH", "/projects/other", map[string]any{"name": "../x"}, nil), "body.name")
	bob.Must(201, "PUT", "/files/content?path=projects/a-file", strings.NewReader("x"), nil)
	refused(t, "a file in projects/", bob.Do("GET", "/projects/a-file", nil, nil), 404, "not_found")
	// A folder that appears there by another hand is a project.
	bob.Must(201, "POST", "/files/folder", map[string]any{"path": "projects/by-hand"}, nil)
	bob.Must(200, "GET", "/projects/by-hand", nil, nil)
}

// contractClone asks for repositories that cannot be had. Each is told clearly,
// and leaves no project behind.
func contractClone(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "clone-bob")
	clone := func(u string) carrel.Response {
		return bob.Do("POST", "/projects", map[string]any{"name": "cloned", "git_url": u}, nil)
	}
	for _, u := range []string{"file:///etc", "/etc", "ext::sh -c id", "git@github.com:a/b.git", "ssh://github.com/a/b", "http://github.com/a/b.git", "https://", "--upload-pack=id", "https://-x/y", "not a url", "https://a b/c"} {
		names(t, "git_url "+u, clone(u), "body.git_url")
	}
	for _, u := range []string{"https://refused.example/x.git", "https://127.0.0.1/x.git", "https://10.0.0.1/x.git"} {
		res := clone(u)
		if res.StatusCode/100 == 2 || res.Code() == "" || res.Code() == "internal" {
			t.Errorf("git_url %s: %s %s; want an error of ours", u, res.Status, res.Text)
		}
		host := strings.Split(u, "/")[2]
		if !strings.Contains(res.Text, host) {
			t.Errorf("git_url %s: %s; want the host named", u, res.Text)
		}
		refused(t, "a project that was not cloned", bob.Do("GET", "/projects/cloned", nil, nil), 404, "not_found")
	}
	names(t, "both", bob.Do("POST", "/projects", map[string]any{"name": "cloned", "git_url": "https://github.com/a/b.git", "template": "sample"}, nil), "body.template")
}
