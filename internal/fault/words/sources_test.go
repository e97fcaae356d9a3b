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
	byFile := map[string][]string{}
	for format, at := range missing {
		file := tableOf(at[0])
		byFile[file] = append(byFile[file], fmt.Sprintf("\t%q: \"…\", // %s", format, strings.Join(at, ", ")))
	}
	for file, lines := range byFile {
		slices.Sort(lines)
		t.Errorf("%d texts are not translated. Add to internal/fault/words/%s, with the Chinese and without the comment:\n%s", len(lines), file, strings.Join(lines, "\n"))
	}
	for format := range chinese() {
		if !used[format] {
			t.Errorf("no source has the text %q any more: take its line out of internal/fault/words/zh_*.go", format)
		}
	}
}

// tableOf names the file that has the texts of a source.
func tableOf(at string) string {
	for _, of := range []struct{ prefix, file string }{
		{"internal/account/", "zh_account.go"}, {"internal/quota/", "zh_account.go"}, {"internal/store/", "zh_account.go"}, {"internal/audit/", "zh_account.go"},
		{"internal/api/", "zh_api.go"},
		{"internal/session/", "zh_session.go"}, {"internal/supervisor/sessions/", "zh_session.go"}, {"internal/journal/", "zh_session.go"},
		{"internal/supervisor/", "zh_inside.go"}, {"internal/project/", "zh_inside.go"}, {"internal/workspace/", "zh_inside.go"},
	} {
		if strings.HasPrefix(at, of.prefix) {
			return of.file
		}
	}
	return "zh_instance.go"
}

// TestFinder: it sees through functions that pass a format on, and names what nobody could translate.
func TestFinder(t *testing.T) {
	const source = `package p
const text = "A constant" + " of two."
func refuse(at, format string, args ...any) error { return fault.InvalidField(at, format, args...) }
func (f *fields) add(why string) { refuse("x", why) }
func g(n int) {
	s := read()
	bad := func(format string) error { return fault.New(fault.Invalid, format) }
	bad("By a closure.")
	refuse("x", "By a function: %d.", n)
	f.add("By two.")
	fault.Wrap(nil, fault.Invalid, text)
	e := &fault.Error{Code: fault.Invalid, Detail: "By a literal, 100%.", Fields: []fault.Field{fault.Field{Message: "And its field."}}}
	fault.New(fault.Invalid, "%s", fault.Say("Within."))
	fault.New(fault.Invalid, "%s: %s", n, n)
	fault.New(fault.Invalid, s)                          // wrong: what is s?
	fault.New(fault.Invalid, "One %d.")                  // wrong: too few
	fault.New(fault.Invalid, "Two %d.", n, n)            // wrong: too many
	fault.New(fault.Invalid, "Three %s.", "an aside")    // wrong: stays English
	fault.New(fault.Invalid, "Four %s.", fmt.Sprint(n))  // wrong: stays English
	e = &fault.Error{Code: fault.Invalid, Detail: fmt.Sprintf("Five %d.", n)} // wrong: no constant
	e = fault.New(fault.Invalid, "Six "+s)               // wrong: no constant
}`
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, filepath.Join(root, "p.go"), source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	f := findIn(files, []*ast.File{parsed})
	found := map[string]bool{}
	for _, u := range f.uses {
		found[u.format] = true
	}
	for _, want := range []string{"By a closure.", "By a function: %d.", "By two.", "A constant of two.", "By a literal, 100%%.", "And its field.", "Within."} {
		if !found[want] {
			t.Errorf("%q was not found among %v", want, f.uses)
		}
	}
	if found["%s: %s"] {
		t.Error("a format without words of its own needs no translation")
	}
	n := 0
	for i, line := range strings.Split(source, "\n") {
		if !strings.Contains(line, "// wrong") {
			continue
		}
		n++
		if !slices.ContainsFunc(f.wrong, func(w string) bool { return strings.HasPrefix(w, fmt.Sprintf("p.go:%d:", i+1)) }) {
			t.Errorf("nothing is said of line %d: %s", i+1, strings.TrimSpace(line))
		}
	}
	if len(f.wrong) != n {
		t.Errorf("%d complaints for %d lines:\n%s", len(f.wrong), n, strings.Join(f.wrong, "\n"))
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
