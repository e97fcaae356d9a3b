package api

import (
	"errors"
	"reflect"
	"strings"

	"github.com/carrel-dev/carrel/internal/fault"
)

// locations are the parts of a route's request that an error may name: "query.limit", "body.username".
type locations map[string]bool

// locationsOf reads them from the type of an input.
func locationsOf(t reflect.Type) locations {
	l := locations{}
	l.add(t)
	return l
}

func (l locations) add(t reflect.Type) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			l.add(f.Type)
			continue
		}
		for _, in := range []string{"path", "query", "header"} {
			if name, _, _ := strings.Cut(f.Tag.Get(in), ","); name != "" {
				l[in+"."+name] = true
			}
		}
		if f.Name == "Body" {
			l["body"] = true
			l.addBody(f.Type)
		}
	}
}

func (l locations) addBody(t reflect.Type) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			l.addBody(f.Type)
		} else if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			l["body."+name] = true
		}
	}
}

// mend has an error name only what the request has. Whoever found it deep inside knows a field by its name, or where
// another route has it.
func (l locations) mend(err error) error {
	var f *fault.Error
	if !errors.As(err, &f) || len(f.Fields) == 0 {
		return err
	}
	mended := *f
	mended.Fields = nil
	for _, field := range f.Fields {
		if at := l.find(field.Location); at != "" {
			field.Location = at
			mended.Fields = append(mended.Fields, field)
		}
	}
	return &mended
}

// find is a location of the request, or "" when it has none of that name.
func (l locations) find(at string) string {
	if l[root(at)] || strings.HasPrefix(at, "header.") { // any header may be there
		return at
	}
	name := at
	if in, rest, ok := strings.Cut(at, "."); ok && (in == "body" || in == "query" || in == "path") {
		name = rest
	}
	if name == "session_id" && l["path.id"] {
		return "path.id"
	}
	for _, in := range []string{"body.", "query.", "path."} {
		if l[root(in+name)] {
			return in + name
		}
	}
	return ""
}

// root is a location without what is deeper than the fields of a body: body.content[0].type is in body.content.
func root(at string) string {
	in, rest, ok := strings.Cut(at, ".")
	if !ok {
		return at
	}
	if i := strings.IndexAny(rest, ".["); i >= 0 {
		rest = rest[:i]
	}
	return in + "." + rest
}
