package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// noLimit is how a limit that is not there is written.
const noLimit = "none"

// kind is how the values of one Go type are named, read and shown.
type kind struct {
	name  string
	parse func(text string) (any, error)
	show  func(v any) string
}

var kinds = map[reflect.Type]kind{
	reflect.TypeFor[string](): {"text",
		func(s string) (any, error) { return s, nil },
		func(v any) string { return v.(string) }},
	reflect.TypeFor[Secret](): {"secret",
		func(s string) (any, error) { return NewSecret(s), nil },
		func(v any) string { return v.(Secret).String() }},
	reflect.TypeFor[time.Duration](): {"duration",
		func(s string) (any, error) { return parseDuration(s) },
		func(v any) string { return showDuration(v.(time.Duration)) }},
	reflect.TypeFor[bool](): {"true or false",
		func(s string) (any, error) {
			if s != "true" && s != "false" {
				return nil, errors.New("must be true or false")
			}
			return s == "true", nil
		},
		func(v any) string { return strconv.FormatBool(v.(bool)) }},
	reflect.TypeFor[int](): {"number",
		func(s string) (any, error) { n, err := parseInt(s); return int(n), err },
		func(v any) string { return strconv.Itoa(v.(int)) }},
	reflect.TypeFor[int64](): {"number",
		func(s string) (any, error) { return parseInt(s) },
		func(v any) string { return strconv.FormatInt(v.(int64), 10) }},
	reflect.TypeFor[*int64](): {"number or " + noLimit,
		func(s string) (any, error) {
			if s == noLimit {
				return (*int64)(nil), nil
			}
			n, err := parseInt(s)
			if err != nil {
				return nil, errors.New("must be a whole number, or " + noLimit)
			}
			return &n, nil
		},
		func(v any) string {
			if n := v.(*int64); n != nil {
				return strconv.FormatInt(*n, 10)
			}
			return noLimit
		}},
	reflect.TypeFor[float64](): {"number",
		func(s string) (any, error) {
			n, err := strconv.ParseFloat(s, 64)
			if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
				return nil, errors.New("must be a number, like 1.5")
			}
			return n, nil
		},
		func(v any) string { return strconv.FormatFloat(v.(float64), 'g', -1, 64) }},
	reflect.TypeFor[[]string](): {"list",
		func(s string) (any, error) { return splitList(s), nil },
		func(v any) string { return strings.Join(v.([]string), ",") }},
	reflect.TypeFor[[]Warm](): {"timetable",
		func(s string) (any, error) { return parseWarm(s) },
		func(v any) string { return showWarm(v.([]Warm)) }},
	reflect.TypeFor[[]netip.Prefix](): {"list of networks",
		func(s string) (any, error) { return parseNetworks(s) },
		func(v any) string {
			var texts []string
			for _, p := range v.([]netip.Prefix) {
				texts = append(texts, p.String())
			}
			return strings.Join(texts, ",")
		}},
	reflect.TypeFor[*url.URL](): {"URL",
		func(s string) (any, error) { return parseURL(s) },
		func(v any) string {
			if u := v.(*url.URL); u != nil {
				return u.Redacted()
			}
			return ""
		}},
}

func typeName(t reflect.Type) string {
	k, ok := kinds[t]
	if !ok {
		panic("config: a setting cannot be a " + t.String())
	}
	return k.name
}

func show(v reflect.Value) string { return kinds[v.Type()].show(v.Interface()) }

// parse sets a field from a value as the environment, a flag or YAML has it. The
// error says what is accepted; it does not repeat the value.
func parse(field reflect.Value, raw any) error {
	text, err := textOf(field.Type(), raw)
	if err != nil {
		return err
	}
	v, err := kinds[field.Type()].parse(text)
	if err != nil {
		return err
	}
	field.Set(reflect.ValueOf(v))
	return nil
}

// textOf brings a YAML value to the one form that is then read: a list becomes
// comma-separated, a number its digits. A number is no text, though: YAML has
// already lost the zeros in front of it.
func textOf(t reflect.Type, raw any) (string, error) {
	number := false
	var text string
	switch raw := raw.(type) {
	case string:
		return strings.TrimSpace(raw), nil
	case bool:
		if t == reflect.TypeFor[bool]() {
			return strconv.FormatBool(raw), nil
		}
	case int:
		text, number = strconv.Itoa(raw), true
	case int64:
		text, number = strconv.FormatInt(raw, 10), true
	case uint64:
		text, number = strconv.FormatUint(raw, 10), true
	case float64:
		text, number = strconv.FormatFloat(raw, 'f', -1, 64), true
	case []any:
		if t == reflect.TypeFor[[]Warm]() {
			return warmText(raw)
		}
		if name := kinds[t].name; !strings.HasPrefix(name, "list") {
			return "", fmt.Errorf("must be one %s, not a list", name)
		}
		items := make([]string, 0, len(raw))
		for _, item := range raw {
			s, ok := item.(string)
			if !ok || strings.Contains(s, ",") {
				return "", errors.New("must be a list of texts without commas; put each in quotes")
			}
			items = append(items, s)
		}
		return strings.Join(items, ","), nil
	}
	switch t {
	case reflect.TypeFor[time.Duration](), reflect.TypeFor[int](), reflect.TypeFor[int64](), reflect.TypeFor[*int64](), reflect.TypeFor[float64]():
		if number {
			return text, nil
		}
		return "", fmt.Errorf("must be a %s", kinds[t].name)
	}
	return "", errors.New("must be text; put it in quotes")
}

// splitList reads a comma-separated list.
func splitList(s string) []string {
	var list []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

func parseInt(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, errors.New("must be a whole number")
	}
	return n, nil
}

// parseDuration reads "30m" and plain seconds.
func parseDuration(s string) (time.Duration, error) {
	bad := errors.New("must be a time like 30m, 10s or 1h30m, or a number of seconds, and not negative")
	d, err := time.ParseDuration(s)
	if err != nil {
		seconds, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(seconds) || math.Abs(seconds) > math.MaxInt64/float64(time.Second)/2 {
			return 0, bad
		}
		d = time.Duration(seconds * float64(time.Second))
	}
	if d < 0 {
		return 0, bad
	}
	return d, nil
}

// showDuration leaves out the zeros that time.Duration prints: 30m, not 30m0s.
func showDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func parseNetworks(s string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, item := range splitList(s) {
		if ip, err := netip.ParseAddr(item); err == nil && ip.Zone() == "" {
			list = append(list, netip.PrefixFrom(ip, ip.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(item)
		if err != nil {
			return nil, errors.New("must be addresses or networks like 10.0.0.5 or 10.0.0.0/8, separated by commas")
		}
		list = append(list, p.Masked())
	}
	return list, nil
}

func parseURL(s string) (*url.URL, error) {
	if s == "" {
		return nil, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("must be a URL like https://carrel.example.org, without user, query or fragment")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = ""
	return u, nil
}
