package config

import (
	_ "embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
)

// The comments of config.go are the reference; they travel with the binary, for
// the help texts.
//
//go:embed config.go
var source string

// docs gives the comment of each setting's field, by the setting's name.
func docs() map[string]string {
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		panic(err) // it was compiled into this program
	}
	structs := map[string]*ast.StructType{}
	for _, decl := range file.Decls {
		if g, ok := decl.(*ast.GenDecl); ok {
			for _, spec := range g.Specs {
				if t, ok := spec.(*ast.TypeSpec); ok {
					structs[t.Name.Name], _ = t.Type.(*ast.StructType)
				}
			}
		}
	}
	found := map[string]string{}
	var walk func(structName, prefix string)
	walk = func(structName, prefix string) {
		for _, f := range structs[structName].Fields.List {
			name := prefix + reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("koanf")
			if t, ok := f.Type.(*ast.Ident); ok && structs[t.Name] != nil {
				walk(t.Name, name+".")
				continue
			}
			found[name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
		}
	}
	walk("Config", "")
	return found
}

// Reference describes every setting, in the order of Config.
func Reference() []Setting {
	docs := docs()
	all := make([]Setting, len(settings))
	for i, s := range settings {
		s.Doc = docs[s.Name]
		all[i] = s
	}
	return all
}

// Markdown is docs/settings.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`<!-- Made from internal/config/config.go: go test ./internal/config -run Reference -update -->

# Settings

` + "`carrel serve`" + ` runs without any. What is set wins in this order: the command line, the environment, the file
` + "`carrel.yaml`" + ` (in the data folder, or the one named by ` + "`--config`" + `), the default.

A setting has one name in three places: ` + "`pool.idle_timeout`" + ` in the file, ` + "`CARREL_POOL_IDLE_TIMEOUT`" + ` in the environment,
` + "`--pool-idle-timeout`" + ` on the command line. In the file, groups may be nested:

` + "```yaml" + `
listen: 0.0.0.0:8420
pool:
  idle_timeout: 30m
` + "```" + `

Times are written 30m, 10s or 1h30m, or as a number of seconds; lists, outside of YAML, with commas. An empty environment
variable is not set. A name that is no setting, and a value that is not accepted, keep the server from starting: all of them
are reported together.

| setting | type | default | |
|---|---|---|---|
`)
	for _, s := range Reference() {
		doc := s.Doc
		if len(s.Accept) > 0 {
			doc += " One of `" + strings.Join(s.Accept, "`, `") + "`."
		}
		value := ""
		if s.Default != "" {
			value = "`" + s.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Name, s.Type, value, strings.NewReplacer("|", `\|`, "*", `\*`).Replace(doc))
	}
	return b.String()
}
