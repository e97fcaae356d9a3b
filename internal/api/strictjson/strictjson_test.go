package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func nested(open, end string, n int) string {
	return strings.Repeat(open, n) + strings.Repeat(end, n)
}

// many is an object of so many fields.
func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"n%d":%d`, i, i)
	}
	return "{" + b.String()[1:] + "}"
}

// BenchmarkCheck is the price of the checks, of a message with a long text.
func BenchmarkCheck(b *testing.B) {
	message := []byte(`{"type":"prompt","session_id":"x","id":"y","content":"` + strings.Repeat("a line of it\\n", 5000) + `"}`)
	b.SetBytes(int64(len(message)))
	for b.Loop() {
		if err := Check(message); err != nil {
			b.Fatal(err)
		}
	}
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
		{"twice", `{"id":"a","id":"b"}`, false},
		{"twice, spaced", "{\"id\" \t\n: 1, \"x\":{}, \"id\":2}", false},
		{"twice, escaped", `{"id":1,"\u0069d":2}`, false},
		{"twice, deep", `{"a":[{"q":{"cpu":1,"x":[],"cpu":2}}]}`, false},
		{"in two objects", `[{"id":1},{"id":2,"in":{"id":3}},{"id":4}]`, true},
		{"once a name, once a value", `{"id":"id","x":["id","id"]}`, true},
		{"a name of quotes", `{"a\"":1,"a\\":2,"a":3}`, true},
		{"in another case", `{"id":1,"x":{},"ID":2}`, false},
		{"in another case, escaped", `{"session_id":1,"\u0053ESSION_ID":2}`, false},
		{"in letters that are the same to the decoder", `{"kind":1,"Kind":2}`, false},
		{"in another case, many", strings.Replace(many(1000), `"n999"`, `"N3"`, 1), false},
		{"in another case, within", `{"env":{"http_proxy":"a","HTTP_PROXY":"b"},"in":[{"a":1,"A":2}]}`, true},
		{"other letters", `{"ı":1,"i":2,"é":3,"e":4}`, true},
		{"many", many(1000), true},
		{"many, and one twice", strings.Replace(many(1000), `"n999"`, `"n3"`, 1), false},
		{"in many opened before", `{"a":` + many(100) + `,"b":` + many(100) + `}`, true},
	} {
		var v any
		if err := Unmarshal([]byte(c.in), &v); (err == nil) != c.ok {
			t.Errorf("%s: got %v; want ok %v", c.name, err, c.ok)
		}
	}
	// The decoder's own judgement.
	for _, pair := range [][2]string{{"id", "ID"}, {"k", "\u212a"}, {"s", "\u017f"}, {"σ", "ς"}, {"ß", "ẞ"}, {"i", "ı"}, {"ss", "ß"}, {"a", "b"}} {
		var v struct{}
		twice := Unmarshal([]byte(`{"`+pair[0]+`":1,"`+pair[1]+`":2}`), &v) != nil
		field := reflect.StructOf([]reflect.StructField{{Name: "X", Type: reflect.TypeFor[int](), Tag: reflect.StructTag(`json:"` + pair[0] + `"`)}})
		one := reflect.New(field)
		if err := json.Unmarshal([]byte(`{"`+pair[1]+`":2}`), one.Interface()); err != nil || twice != (one.Elem().Field(0).Int() == 2) {
			t.Errorf("%q: refused %v, and one to the decoder: %v, %v", pair, twice, !twice, err)
		}
	}
	if err := Check([]byte(nested("{", "}", 5000))); !errors.Is(err, ErrTooDeep) {
		t.Errorf("got %v; want ErrTooDeep", err)
	}
}

// FuzzUnmarshal: whatever is taken is JSON, and whatever is refused is not JSON, too deep, not UTF-8, or has a name twice.
func FuzzUnmarshal(f *testing.F) {
	for _, s := range []string{`{"a":1}`, `[[[]]]`, `"\"["`, `{} x`, `{"a":1,"a":2}`, "\xff", nested("[", "]", 101)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var v any
		err := Unmarshal(b, &v)
		if (err == nil) != json.Valid(b) && !errors.Is(err, ErrTooDeep) && !errors.Is(err, ErrEncoding) && !errors.Is(err, ErrTwice) {
			t.Fatalf("got %v for %q, which is valid: %v", err, b, json.Valid(b))
		}
	})
}

func TestHalfPair(t *testing.T) {
	for in, want := range map[string]bool{
		`"a"`: false, `"a\ud800"`: true, `"\uDFFFa"`: true, `"\ud83d\ude00"`: false, `"\ud83d\ud83d\ude00"`: true, `"\ud83d \ude00"`: true,
		`"\\ud800"`: false, `"\\\ud800"`: true, `"\"\ud800"`: true, `"\ud83d\n"`: true, `"\ufffd"`: false, `"�"`: false, `"\u00`: false, `"\`: false,
	} {
		if got := HalfPair([]byte(in)); got != want {
			t.Errorf("%s: got %v", in, got)
		}
		// The decoder puts U+FFFD in its place.
		var text string
		if err := json.Unmarshal([]byte(in), &text); err == nil && want != (strings.Contains(text, "\ufffd") && !strings.Contains(in, "fffd") && !strings.Contains(in, "�")) {
			t.Errorf("%s is %q to the decoder", in, text)
		}
	}
}
