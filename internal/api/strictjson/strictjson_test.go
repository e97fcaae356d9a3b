package strictjson

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func nested(open, end string, n int) string {
	return strings.Repeat(open, n) + strings.Repeat(end, n)
}

func TestUnmarshal(t *testing.T) {
	for _, c := range []struct {
		name, in string
		ok       bool
	}{
		{"value", `{"a":[1,"x"]}`, true},
		{"as deep as allowed", nested("[", "]", MaxDepth), true},
		{"deeper", nested("[", "]", MaxDepth+1), false},
		{"brackets in a string", `"` + strings.Repeat("[{", 500) + `"`, true},
		{"escaped quote", `"\"` + strings.Repeat("[", 500) + `"`, true},
		{"escaped backslash", `["\\",` + nested("[", "]", 200) + `]`, false},
		{"trailing garbage", `{} x`, false},
		{"second value", `{}{}`, false},
		{"space after", "{} \n", true},
		{"nothing", ``, false},
		{"not UTF-8", "{\"id\":\"u\xff\"}", false},
		{"UTF-8", `{"id":"ü"}`, true},
	} {
		var v any
		if err := Unmarshal([]byte(c.in), &v); (err == nil) != c.ok {
			t.Errorf("%s: got %v; want ok %v", c.name, err, c.ok)
		}
	}
	if err := CheckDepth([]byte(nested("{", "}", 5000))); !errors.Is(err, ErrTooDeep) {
		t.Errorf("got %v; want ErrTooDeep", err)
	}
}

// FuzzUnmarshal: whatever is taken is JSON, and whatever is refused is either not JSON too deep or not UTF-8.
func FuzzUnmarshal(f *testing.F) {
	for _, s := range []string{`{"a":1}`, `[[[]]]`, `"\"["`, `{} x`, "\xff", nested("[", "]", 101)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var v any
		err := Unmarshal(b, &v)
		if (err == nil) != json.Valid(b) && !errors.Is(err, ErrTooDeep) && !errors.Is(err, ErrEncoding) {
			t.Fatalf("got %v for %q, which is valid: %v", err, b, json.Valid(b))
		}
	})
}
