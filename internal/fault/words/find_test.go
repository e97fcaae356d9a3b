package words

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/carrel-dev/carrel/internal/fault"
)

const root = "../../.."

// use is one place in the sources that gives people a text.
type use struct {
	format string
	at     string // file:line below the root
}

// givers are the functions of package fault that take a format, and which of their arguments it is.
var givers = map[string]int{"New": 1, "Wrap": 2, "InvalidField": 1, "FieldAt": 1, "Say": 0}

// finder goes through one package.
type finder struct {
	files    *token.FileSet
	wrappers map[string]int // functions of the package that pass a format on, and which of their arguments it is
	grown    bool           // a wrapper was found: those that call it are not judged yet
	uses     []use
	stack    []function
	consts   []map[string]ast.Expr // of the package, then of each function around
	report   bool
	wrong    []string // what nobody could translate
}

// function is one around the code that is looked at.
type function struct {
	name   string // "" when nobody can call it by one
	params []string
}

// find goes through all that the program is made of.
func find(t *testing.T) []use {
	t.Helper()
	files := token.NewFileSet()
	packages := map[string][]*ast.File{}
	for _, top := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				// Fakes for tests, and the two packages that make texts of what others give them.
				if n := d.Name(); n == "testdata" || n == "dist" || strings.HasSuffix(n, "test") || n == "fault" || n == "words" {
					return filepath.SkipDir
				}
				return nil
			}
			if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			f, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			dir := filepath.Dir(path)
			packages[dir] = append(packages[dir], f)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var all []use
	for _, parsed := range packages {
		f := findIn(files, parsed)
		all = append(all, f.uses...)
		for _, w := range f.wrong {
			t.Error(w)
		}
	}
	if len(all) < 200 {
		t.Fatalf("found %d texts only; is this run in the repository?", len(all))
	}
	slices.SortFunc(all, func(a, b use) int { return strings.Compare(a.at, b.at) })
	return all
}

// findIn goes through the files of one package until it knows every function that passes a format on.
func findIn(files *token.FileSet, parsed []*ast.File) *finder {
	f := &finder{files: files, wrappers: map[string]int{}}
	top := map[string]ast.Expr{}
	for _, file := range parsed {
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				constants(g, top)
			}
		}
	}
	for f.grown = true; f.grown || !f.report; {
		f.report = !f.grown
		f.grown, f.uses = false, nil
		for _, file := range parsed {
			f.consts = []map[string]ast.Expr{top}
			f.walk(file)
		}
	}
	return f
}

func (f *finder) complain(format string, args ...any) {
	f.wrong = append(f.wrong, fmt.Sprintf(format, args...))
}

func constants(g *ast.GenDecl, into map[string]ast.Expr) {
	if g.Tok != token.CONST {
		return
	}
	for _, spec := range g.Specs {
		v := spec.(*ast.ValueSpec)
		for i, name := range v.Names {
			if i < len(v.Values) {
				into[name.Name] = v.Values[i]
			}
		}
	}
}

func (f *finder) walk(n ast.Node) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Body != nil {
				f.inside(n.Name.Name, n.Type, n.Body)
			}
			return false
		case *ast.AssignStmt:
			for i, right := range n.Rhs {
				if lit, ok := right.(*ast.FuncLit); ok && i < len(n.Lhs) {
					name := ""
					if id, ok := n.Lhs[i].(*ast.Ident); ok {
						name = id.Name
					}
					f.inside(name, lit.Type, lit.Body)
				} else {
					f.walk(right)
				}
			}
			return false
		case *ast.FuncLit:
			f.inside("", n.Type, n.Body)
			return false
		case *ast.DeclStmt:
			if g, ok := n.Decl.(*ast.GenDecl); ok {
				constants(g, f.consts[len(f.consts)-1])
			}
		case *ast.CallExpr:
			f.call(n)
		case *ast.CompositeLit:
			f.literal(n)
		}
		return true
	})
}

func (f *finder) inside(name string, typ *ast.FuncType, body *ast.BlockStmt) {
	fn := function{name: name}
	for _, p := range typ.Params.List {
		for _, id := range p.Names {
			fn.params = append(fn.params, id.Name)
		}
	}
	f.stack = append(f.stack, fn)
	f.consts = append(f.consts, map[string]ast.Expr{})
	f.walk(body)
	f.stack, f.consts = f.stack[:len(f.stack)-1], f.consts[:len(f.consts)-1]
}

// call looks at a call of package fault, or of a function here that passes a format on to it.
func (f *finder) call(c *ast.CallExpr) {
	index, ok := 0, false
	switch fun := c.Fun.(type) {
	case *ast.SelectorExpr:
		if of(fun, "fault") {
			index, ok = givers[fun.Sel.Name]
		} else {
			index, ok = f.wrappers[fun.Sel.Name]
		}
	case *ast.Ident:
		index, ok = f.wrappers[fun.Name]
	}
	if !ok || index >= len(c.Args) {
		return
	}
	format, constant := f.text(c.Args[index])
	if !constant {
		if !f.passes(c.Args[index]) && f.report {
			f.complain("%s: the format is not a constant, so nobody can translate it: give one, with what varies as its arguments", f.at(c))
		}
		return
	}
	if !c.Ellipsis.IsValid() && f.report {
		most := 0
		for _, v := range fault.Verbs(format) {
			most = max(most, v.Arg+1)
		}
		if given := len(c.Args) - index - 1; given != most {
			f.complain("%s: %q takes %d arguments and gets %d", f.at(c), format, most, given)
		}
	}
	f.add(format, c)
	for _, arg := range c.Args[index+1:] {
		// Words that are put into a text as a plain string stay English.
		if s, constant := f.text(arg); constant && strings.Contains(s, " ") && f.report {
			f.complain("%s: %q is put into a text as it is, so nobody can translate it: give fault.Say(%q)", f.at(c), s, s)
		}
		if call, ok := arg.(*ast.CallExpr); ok && f.report {
			if fun, ok := call.Fun.(*ast.SelectorExpr); ok && of(fun, "fmt") {
				f.complain("%s: what fmt.%s makes is put into a text as it is, so nobody can translate it: use fault.Say", f.at(c), fun.Sel.Name)
			}
		}
	}
}

// literal looks at a fault.Error or fault.Field whose text is set without a format.
func (f *finder) literal(c *ast.CompositeLit) {
	typ, ok := c.Type.(*ast.SelectorExpr)
	if !ok || !of(typ, "fault") {
		return
	}
	field := map[string]string{"Error": "Detail", "Field": "Message"}[typ.Sel.Name]
	for _, e := range c.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		if key, ok := kv.Key.(*ast.Ident); !ok || key.Name != field || field == "" {
			continue
		}
		if text, constant := f.text(kv.Value); constant {
			f.add(fault.Quote(text).Format(), kv)
		} else if f.report {
			f.complain("%s: the %s is not a constant, so nobody can translate it: use fault.New, fault.FieldAt or another that takes a format", f.at(kv), field)
		}
	}
}

func of(s *ast.SelectorExpr, pkg string) bool {
	id, ok := s.X.(*ast.Ident)
	return ok && id.Name == pkg
}

// passes tells whether an expression is a parameter of a function around, which then passes a format on.
func (f *finder) passes(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	if !ok {
		return false
	}
	for _, fn := range slices.Backward(f.stack) {
		i := slices.Index(fn.params, id.Name)
		if i < 0 {
			continue
		}
		if fn.name == "" {
			return false
		}
		if _, known := f.wrappers[fn.name]; !known {
			f.wrappers[fn.name], f.grown = i, true
		}
		return true
	}
	return false
}

// text is the value of a constant expression.
func (f *finder) text(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return f.text(e.X)
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		a, aok := f.text(e.X)
		b, bok := f.text(e.Y)
		return a + b, aok && bok && e.Op == token.ADD
	case *ast.Ident:
		for _, known := range slices.Backward(f.consts) {
			if v, ok := known[e.Name]; ok {
				return f.text(v)
			}
		}
	}
	return "", false
}

// add counts a text that has words of its own.
func (f *finder) add(format string, n ast.Node) {
	if strings.ContainsFunc(fault.Fill(format, func(int) string { return "" }), isLetter) {
		f.uses = append(f.uses, use{format, f.at(n)})
	}
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

func (f *finder) at(n ast.Node) string {
	p := f.files.Position(n.Pos())
	path, err := filepath.Rel(root, p.Filename)
	if err != nil {
		path = p.Filename
	}
	return path + ":" + strconv.Itoa(p.Line)
}
