package config

import (
	"strings"

	"github.com/spf13/pflag"
)

// RegisterFlags adds a flag for each of the named settings, or for all of them
// when none is named. Values are read by Load.
func RegisterFlags(set *pflag.FlagSet, names ...string) {
	docs := docs()
	wanted := map[string]bool{}
	for _, name := range names {
		if _, known := settingByName(name); !known {
			panic("config: no setting " + name)
		}
		wanted[name] = true
	}
	for _, s := range settings {
		if len(names) > 0 && !wanted[s.Name] {
			continue
		}
		usage := docs[s.Name]
		if len(s.Accept) > 0 {
			usage += " One of: " + strings.Join(s.Accept, ", ") + "."
		}
		set.Var(&flagValue{text: s.Default, kind: s.Type}, s.Flag, usage)
	}
}

// flagValue keeps a flag's text. Only Load reads it, so that a wrong value is
// reported like one from the file, and with all others.
type flagValue struct {
	text string
	kind string
	set  bool
}

func (v *flagValue) String() string { return v.text }
func (v *flagValue) Type() string   { return v.kind }

// Set takes a value; a list's flag may be given more than once.
func (v *flagValue) Set(text string) error {
	if v.set && strings.HasPrefix(v.kind, "list") {
		text = v.text + "," + text
	}
	v.text, v.set = text, true
	return nil
}

func fromFlags(set *pflag.FlagSet) layer {
	l := layer{values: map[string]any{}, from: func(s Setting) string { return "--" + s.Flag }}
	if set == nil {
		return l
	}
	for _, s := range settings {
		if f := set.Lookup(s.Flag); f != nil && f.Changed {
			l.values[s.Name] = f.Value.String()
		}
	}
	return l
}
