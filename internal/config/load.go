package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/knadh/koanf/maps"
	yamlparser "github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

const (
	envPrefix = "CARREL_"

	// FileName is the configuration's name in the data folder.
	FileName = "carrel.yaml"

	// maxFileBytes is far more than every setting with a page of comments.
	maxFileBytes = 1 << 20
)

// notSettings are variables of ours that say how a process was started, or
// where a test finds its binary.
var notSettings = []string{
	"CARREL_BIN", "CARREL_FILES", "CARREL_GATEWAY_PROCESS", "CARREL_INSTANCE", "CARREL_KEEPER_PROCESS", "CARREL_SUPERVISOR", "CARREL_TREE",
}

// Sources is where settings come from; each wins over the one before.
type Sources struct {
	File    string         // "": carrel.yaml in the data folder, if there is one
	NoFile  bool           // read no file: all is in Environ, see Config.Environ
	Environ []string       // as os.Environ gives it
	Flags   *pflag.FlagSet // on which RegisterFlags was called, parsed; may be nil

	// Resolve finds the addresses of a name to listen on; nil: the system's resolver.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
}

// layer is the settings of one source, by name.
type layer struct {
	values map[string]any
	from   func(s Setting) string // how that source calls a setting
}

// Load reads all sources and validates the whole. Its error is an *Error with
// every fault that was found.
func Load(ctx context.Context, from Sources) (Config, error) {
	var faults faults
	env := fromEnviron(from.Environ, &faults)
	flags := fromFlags(from.Flags)

	path, required := from.File, true
	if path == "" {
		path, required = filepath.Join(dataDirOf(flags, env), FileName), false
	}
	var file layer
	if !from.NoFile {
		file = fromFile(path, required, &faults)
	}
	if _, set := file.values["data_dir"]; set && !required {
		faults.add("data_dir", "cannot be set in the %s that is found by it; set CARREL_DATA_DIR or --data-dir, or name the file with --config", FileName)
	}

	c := Default()
	merged := koanf.New(".")
	origin := map[string]string{}
	for _, l := range []layer{file, env, flags} {
		if len(l.values) == 0 {
			continue
		}
		if err := merged.Load(confmap.Provider(l.values, "."), nil); err != nil {
			return Config{}, fmt.Errorf("merge settings: %w", err)
		}
		for name := range l.values {
			if s, known := settingByName(name); known {
				origin[name] = l.from(s)
			}
		}
	}
	root := reflect.ValueOf(&c).Elem()
	for _, s := range settings {
		raw := merged.Get(s.Name)
		if raw == nil {
			continue
		}
		if err := parse(root.FieldByIndex(s.index), raw); err != nil {
			faults.add(s.Name, "%s", err)
		}
	}
	if err := makeAbsolute(&c); err != nil {
		return Config{}, err
	}
	c.validate(ctx, from.Resolve, &faults)
	if err := faults.err(origin); err != nil {
		return Config{}, err
	}
	return c, nil
}

// Environ gives the settings, but for secrets, as environment variables: a
// process that must not have the secrets, nor read the file, gets these.
func (c Config) Environ() []string {
	var environ []string
	root := reflect.ValueOf(c)
	for _, s := range settings {
		if field := root.FieldByIndex(s.index); field.Type() != reflect.TypeFor[Secret]() {
			environ = append(environ, s.Env+"="+show(field))
		}
	}
	return environ
}

func dataDirOf(layers ...layer) string {
	for _, l := range layers {
		if dir, ok := l.values["data_dir"].(string); ok && dir != "" {
			return dir
		}
	}
	return Default().DataDir
}

// fromEnviron takes the variables that begin with CARREL_. An empty one is not
// set: what starts us may have no other way to leave it out.
func fromEnviron(environ []string, faults *faults) layer {
	l := layer{values: map[string]any{}, from: func(s Setting) string { return s.Env }}
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = s.Env
	}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, envPrefix) || slices.Contains(notSettings, name) {
			continue
		}
		i := slices.Index(names, name)
		if i < 0 {
			faults.add(name, "is no setting%s", suggestion(name, names))
			continue
		}
		if value != "" {
			l.values[settings[i].Name] = value
		}
	}
	return l
}

// fromFile reads carrel.yaml: groups may be nested (pool: {idle_timeout: 30m}) or
// written out (pool.idle_timeout: 30m).
func fromFile(path string, required bool, faults *faults) layer {
	l := layer{values: map[string]any{}, from: func(s Setting) string { return s.Name + " in " + path }}
	b, err := readFile(path, !required)
	if errors.Is(err, fs.ErrNotExist) && !required {
		return l
	}
	if err != nil {
		faults.add(path, "cannot be read: %s", err)
		return l
	}
	l.values = parseFile(path, b, faults)
	return l
}

// readFile reads a file of settings. One that was found in the data folder must
// be of root or of who starts Carrel, and theirs to change alone: the server can
// make files in that folder, and a setting says what root will run.
func readFile(path string, found bool) ([]byte, error) {
	if found {
		entry, err := os.Lstat(path) // it may be a link, which then must be theirs too
		if err != nil {
			return nil, err
		}
		if err := trusted(entry); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a pipe would be waited for
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFileBytes {
		return nil, errors.New("it is not a regular file of at most 1 MiB")
	}
	if found {
		if err := trusted(info); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(io.LimitReader(f, maxFileBytes))
}

func trusted(info fs.FileInfo) error {
	me := os.Geteuid()
	if owner := int(info.Sys().(*syscall.Stat_t).Uid); owner != 0 && owner != me {
		return fmt.Errorf("it belongs to uid %d and Carrel is started by uid %d; if you trust what is in it: chown %d it", owner, me, me)
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("others may write in it (mode %#o); if you trust what is in it: chmod 600 it", info.Mode().Perm())
	}
	return nil
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

func parseFile(path string, b []byte, faults *faults) map[string]any {
	values := map[string]any{}
	nested, err := yamlparser.Parser().Unmarshal(b)
	if err != nil {
		// The library quotes what it could not read, which may be the key: give the line alone.
		where := ""
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			where = ", at line " + m[1]
		}
		faults.add(path, "is not a YAML map of settings%s", where)
		return values
	}
	flat, _ := maps.Flatten(nested, nil, ".")
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = s.Name
	}
	for name, value := range flat {
		switch {
		case slices.Contains(names, name):
			if value != nil {
				values[name] = value
			}
		case isGroup(name, names):
			if m, isMap := value.(map[string]any); value != nil && (!isMap || len(m) > 0) {
				faults.add(name, "is a group of settings, in %s", path)
			}
		default:
			faults.add(name, "is no setting, in %s%s", path, suggestion(name, names))
		}
	}
	return values
}

func isGroup(name string, names []string) bool {
	return slices.ContainsFunc(names, func(s string) bool { return strings.HasPrefix(s, name+".") })
}

func suggestion(name string, names []string) string {
	if near := nearest(name, names); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// makeAbsolute ties paths to the working folder of now: the server enters its
// data folder later.
func makeAbsolute(c *Config) error {
	root := reflect.ValueOf(c).Elem()
	for _, s := range settings {
		field := root.FieldByIndex(s.index)
		if s.path == "" || field.String() == "" || s.path == "command" && !strings.Contains(field.String(), "/") {
			continue
		}
		abs, err := filepath.Abs(field.String())
		if err != nil {
			return fmt.Errorf("make %s absolute: %w", s.Name, err)
		}
		field.SetString(abs)
	}
	return nil
}
