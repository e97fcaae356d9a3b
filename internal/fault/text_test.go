package fault_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/carrel-dev/carrel/internal/fault"
)

func TestSayIsSprintf(t *testing.T) {
	for _, c := range []struct {
		format string
		args   []any
	}{
		{"nothing in it", nil},
		{"100%% of it", nil},
		{"%d of %d", []any{3, int64(4)}},
		{"%[2]s before %[1]s", []any{"a", "b"}},
		{"%q, %.1f, %v, %05d, %c", []any{[]string{"x", "y"}, 1.25, errors.New("e"), 7, '界'}},
		{"%s", []any{"100% of it"}},
		{"%s", []any{fault.Say("%d%%", 5)}},
		{"(%s)", []any{fault.Say("%s: %s", fault.Say("code %d", 1), "said")}},
		{"%s", nil},            // a slip
		{"%d", []any{1, 2}},    // another
		{"%d", []any{"three"}}, // a third
	} {
		if got, want := fault.Say(c.format, c.args...).String(), fmt.Sprintf(c.format, c.args...); got != want {
			t.Errorf("Say(%q): got %q; want %q", c.format, got, want)
		}
	}
	if f := fault.Say("%s", fault.Say("code %d", 1)).Format(); f != "code %d" {
		t.Errorf("a text as it is has the format %q; want that text's own", f)
	}
	if f := fault.Quote("100% of it").Format(); f != "100%% of it" {
		t.Errorf("a quoted text has the format %q", f)
	}
}

func TestTextsCross(t *testing.T) {
	e := fault.New(fault.Invalid, "The value %s is out of range: %s.", "n", fault.Say("from %d to %d", 1, 9))
	e.Fields = []fault.Field{fault.FieldAt("body.n", "from %d to %d", 1, 9), {Location: "body.m", Message: "100% wrong"}}
	b, err := json.Marshal(e.Texts())
	if err != nil {
		t.Fatal(err)
	}
	var texts []fault.Text
	if err := json.Unmarshal(b, &texts); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	fields := []fault.Field{{Location: "body.n", Message: "from 1 to 9"}, {Location: "body.m", Message: "100% wrong"}}
	got := fault.Told(e.Code, e.Detail, fields, texts)
	for i, want := range e.Texts() {
		if text := got.Texts()[i]; text.Format() != want.Format() || text.String() != want.String() {
			t.Errorf("text %d: got %q (%q); want %q (%q)", i, text.Format(), text, want.Format(), want)
		}
	}
	// Without its texts, or with those of something else, it is its English.
	for _, texts := range [][]fault.Text{nil, {fault.Say("All is well.")}, slices.Repeat([]fault.Text{fault.Say("from %d", 1)}, 9)} {
		got := fault.Told(e.Code, e.Detail, slices.Clone(fields), texts)
		if got.Said().String() != e.Detail || got.Fields[0].Said().String() != "from 1 to 9" {
			t.Errorf("with %v: got %q, %q", texts, got.Said(), got.Fields[0].Said())
		}
	}
}

func TestFields(t *testing.T) {
	e := fault.Fields(fault.Forbidden, fault.FieldAt("body.a", "The code %d is wrong.", 1), fault.FieldAt("body.b", "So is this."))
	if e.Code != fault.Forbidden || e.Detail != "The code 1 is wrong." || len(e.Fields) != 2 || e.Said().Format() != "The code %d is wrong." {
		t.Errorf("got %+v", e)
	}
	e.Detail = "Something else."
	if e.Said().String() != "Something else." {
		t.Errorf("a text that was set afterwards: got %q", e.Said())
	}
}

// FuzzText: what another process sends is refused or is a text that can be said and sent on.
func FuzzText(f *testing.F) {
	for _, s := range []string{`["x"]`, `["%d of %d","1","2"]`, `["%s",["%s",["%s",["%s",["%s","x"]]]]]`, `[]`, `null`, `["%s"]`, `["%[99]d","1"]`, `[1]`, `["%!","\ud800"]`, `{"a":1}`, `["%[0]s%[1]*d","a","b"]`,
		`["` + strings.Repeat("%s", 30) + `"]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var text fault.Text
		if json.Unmarshal(b, &text) != nil {
			return
		}
		said := text.String()
		again, err := json.Marshal(text)
		if err != nil {
			t.Fatalf("%q cannot be sent on: %v", b, err)
		}
		var second fault.Text
		if err := json.Unmarshal(again, &second); err == nil && second.String() != said {
			t.Fatalf("%q: got %q, and %q the second time", b, said, second)
		}
	})
}
