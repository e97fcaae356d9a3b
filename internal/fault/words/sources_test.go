package words

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/carrel-dev/carrel/internal/fault"
)

// TestEveryTextIsTranslated holds the tables to the sources: nothing that
// people may read is missing, and nothing is left of what is gone.
func TestEveryTextIsTranslated(t *testing.T) {
	missing := map[string][]string{}
	used := map[string]bool{}
	for _, u := range find(t) {
		used[u.format] = true
		if _, ok := chinese()[u.format]; !ok {
			missing[u.format] = append(missing[u.format], u.at)
		}
	}
	if len(missing) > 0 {
		var lines []string
		for format, at := range missing {
			lines = append(lines, fmt.Sprintf("\t%q: \"…\", // %s", format, strings.Join(at, ", ")))
		}
		slices.Sort(lines)
		t.Errorf("%d texts are not translated. Say each in Chinese in the table of its package, in internal/fault/words/zh_*.go:\n%s", len(missing), strings.Join(lines, "\n"))
	}
	for format := range chinese() {
		if !used[format] {
			t.Errorf("no source has the text %q any more: take it out of its table in internal/fault/words/zh_*.go", format)
		}
	}
}

// TestTablesAgree: a text that stands in two tables could be said in two ways.
func TestTablesAgree(t *testing.T) {
	n := len(foreign)
	for _, table := range tables {
		n += len(table)
	}
	if all := len(chinese()) + len(foreign); n != all {
		t.Errorf("the tables have %d entries for %d texts: one is in two of them", n, all)
	}
	for english := range foreign {
		if _, ok := chinese()[english]; ok {
			t.Errorf("%q is among ours and among the foreign ones", english)
		}
	}
}

var halfWidth = regexp.MustCompile(`\p{Han}\s*[,.;:!?()]|[,;:!?()]\s*\p{Han}`)

// TestTranslationsFit: each takes the same arguments as the English, by the same verbs, in whatever order.
func TestTranslationsFit(t *testing.T) {
	check := func(english, said string) {
		t.Helper()
		if want, got := verbsOf(english), verbsOf(said); !slices.Equal(want, got) {
			t.Errorf("%q takes %v, and %q takes %v", english, want, said, got)
		}
		if bad := halfWidth.FindString(said); bad != "" {
			t.Errorf("%q: punctuation beside Chinese is full-width, and %q is not", said, bad)
		}
		if said == "" || strings.HasSuffix(english, ".") != strings.HasSuffix(said, "。") {
			t.Errorf("%q is said as %q: a sentence ends with 。 and what is none does not", english, said)
		}
	}
	for english, said := range chinese() {
		check(english, said)
	}
	for english, said := range foreign {
		check(english, said)
	}
}

func verbsOf(format string) []string {
	var all []string
	for _, v := range fault.Verbs(format) {
		all = append(all, fmt.Sprintf("%d%s", v.Arg, v.Text))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestForeignTextsAreKnown: all that huma's validation and package claude can say has a translation.
func TestForeignTextsAreKnown(t *testing.T) {
	said := map[string]bool{}
	for _, e := range constantsOf(t, "github.com/danielgtaylor/huma/v2/validation") {
		said[e] = true
	}
	if len(said) < 30 {
		t.Fatalf("huma's package validation has %d messages; where are the others?", len(said))
	}
	n := len(said)
	for _, format := range inputErrors(t) {
		said[format] = true
	}
	if len(said) < n+15 {
		t.Fatalf("package claude has %d messages; where are the others?", len(said)-n)
	}
	for format := range said {
		if _, ok := foreign[format]; !ok {
			t.Errorf("%q is not translated: say it in Chinese in internal/fault/words/zh_foreign.go", format)
		}
	}
}

// constantsOf gives the texts that the variables of a package begin with.
func constantsOf(t *testing.T, pkg string) []string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", pkg).Output()
	if err != nil {
		t.Fatalf("find %s: %v", pkg, err)
	}
	var all []string
	for _, f := range parse(t, strings.TrimSpace(string(dir))) {
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil {
					all = append(all, s)
				}
			}
			return true
		})
	}
	return all
}

// inputErrors gives the messages of package claude's InputErrors, with what varies as %s.
func inputErrors(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, f := range parse(t, filepath.Join(root, "internal/claude")) {
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok || len(lit.Elts) != 2 {
				return true
			}
			if id, ok := lit.Type.(*ast.Ident); !ok || id.Name != "InputError" {
				return true
			}
			all = append(all, formatOf(lit.Elts[1]))
			return true
		})
	}
	return all
}

func formatOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil {
			return s
		}
	case *ast.BinaryExpr:
		return strings.ReplaceAll(formatOf(e.X)+formatOf(e.Y), "%s%s", "%s")
	case *ast.CallExpr:
		if len(e.Args) > 1 {
			if lit, ok := e.Args[0].(*ast.BasicLit); ok { // fmt.Sprintf
				return formatOf(lit)
			}
		}
	}
	return "%s"
}

func parse(t *testing.T, dir string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}
