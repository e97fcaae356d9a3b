package config

import (
	"reflect"
	"strings"

	"github.com/carrel-dev/carrel/internal/quota"
)

// Setting describes one setting.
type Setting struct {
	Name    string // pool.idle_timeout
	Env     string // CARREL_POOL_IDLE_TIMEOUT
	Flag    string // pool-idle-timeout, without the dashes
	Type    string // of the value, in a word: "duration"
	Default string // as it would be written; "" is empty
	Accept  []string
	Doc     string

	index []int  // of the field in Config
	path  string // "yes": of the file system; "command": that or a name in PATH
}

// settings lists every field of Config that is a setting, in order.
var settings = func() []Setting {
	var all []Setting
	collect(reflect.TypeFor[Config](), "", nil, &all)
	defaults := reflect.ValueOf(Default())
	for i := range all {
		all[i].Default = show(defaults.FieldByIndex(all[i].index))
	}
	return all
}()

func collect(t reflect.Type, prefix string, index []int, all *[]Setting) {
	for i := range t.NumField() {
		f := t.Field(i)
		name := prefix + f.Tag.Get("koanf")
		at := append(append([]int(nil), index...), i)
		if isGroupType(f.Type) {
			collect(f.Type, name+".", at, all)
			continue
		}
		*all = append(*all, Setting{
			Name:   name,
			Env:    envPrefix + strings.ToUpper(strings.ReplaceAll(name, ".", "_")),
			Flag:   strings.NewReplacer(".", "-", "_", "-").Replace(name),
			Type:   typeName(f.Type),
			Accept: strings.Fields(f.Tag.Get("accept")),
			index:  at,
			path:   f.Tag.Get("path"),
		})
	}
}

// isGroupType tells a struct of settings from a value that is a struct.
func isGroupType(t reflect.Type) bool {
	_, isValue := kinds[t]
	return t.Kind() == reflect.Struct && !isValue
}

// Default is the configuration of who sets nothing. Paths are as written here;
// Load makes them absolute.
func Default() Config {
	c := Config{Quota: Quota(quota.Default())}
	fill(reflect.ValueOf(&c).Elem())
	return c
}

func fill(v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if isGroupType(f.Type) {
			fill(v.Field(i))
		} else if text := f.Tag.Get("default"); text != "" {
			if err := parse(v.Field(i), text); err != nil {
				panic("config: the default of " + f.Name + ": " + err.Error())
			}
		}
	}
}

func settingByName(name string) (Setting, bool) {
	for _, s := range settings {
		if s.Name == name {
			return s, true
		}
	}
	return Setting{}, false
}

// nearest finds the candidate that a mistyped name was most likely meant to be,
// or "" when none is near.
func nearest(name string, candidates []string) string {
	best, least := "", len(name)/3+1
	for _, c := range candidates {
		if d := distance(name, c); d <= least && (best == "" || d < least) {
			best, least = c, d
		}
	}
	return best
}

// distance is the least number of letters to insert, remove or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			row[j+1] = min(cost, above+1, row[j]+1)
			diagonal = above
		}
	}
	return row[len(b)]
}
