package words

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/carrel-dev/carrel/internal/fault"
)

// TestEveryTextIsTranslated holds the tables to the sources: nothing that
// people may read is missing, and nothing is left of what is gone.
func TestEveryTextIsTranslated(t *testing.T) {
	missing := map[string][]string{}
	used := map[string]bool{}
	for _, u := range find(t) {
		used[u.format] = true
		if _, ok := chinese()[u.format]; !ok {
			missing[u.format] = append(missing[u.format], u.at)
		}
	}
	if len(missing) > 0 {
		var lines []string
		for format, at := range missing {
			lines = append(lines, fmt.Sprintf("\t%q: \"…\", // %s", format, strings.Join(at, ", ")))
		}
		slices.Sort(lines)
		t.Errorf("%d texts are not translated. Say each in Chinese in the table of its package, in internal/fault/words/zh_*.go:\n%s", len(missing), strings.Join(lines, "\n"))
	}
	for format := range chinese() {
		if !used[format] {
			t.Errorf("no source has the text %q any more: take it out of its table in internal/fault/words/zh_*.go", format)
		}
	}
}

// TestTablesAgree: a text that stands in two tables could be said in two ways.
func TestTablesAgree(t *testing.T) {
	n := len(foreign)
	for _, table := range tables {
		n += len(table)
	}
	if all := len(chinese()) + len(foreign); n != all {
		t.Errorf("the tables have %d entries for %d texts: one is in two of them", n, all)
	}
	for english := range foreign {
		if _, ok := chinese()[english]; ok {
			t.Errorf("%q is among ours and among the foreign ones", english)
		}
	}
}

var halfWidth = regexp.MustCompile(`\p{Han}\s*[,.;:!?()]|[,;:!?()]\s*\p{Han}`)

// TestTranslationsFit: each takes the same arguments as the English, by the same verbs, in whatever order.
func TestTranslationsFit(t *testing.T) {
	check := func(english, said string) {
		t.Helper()
		if want, got := verbsOf(english), verbsOf(said); !slices.Equal(want, got) {
			t.Errorf("%q takes %v, and %q takes %v", english, want, said, got)
		}
		if bad := halfWidth.FindString(said); bad != "" {
			t.Errorf("%q: punctuation beside Chinese is full-width, and %q is not", said, bad)
		}
		if said == "" || strings.HasSuffix(english, ".") != strings.HasSuffix(said, "。") {
			t.Errorf("%q is said as %q: a sentence ends with 。 and what is none does not", english, said)
		}
	}
	for english, said := range chinese() {
		check(english, said)
	}
	for english, said := range foreign {
		check(english, said)
	}
}

func verbsOf(format string) []string {
	var all []string
	for _, v := range fault.Verbs(format) {
		all = append(all, fmt.Sprintf("%d%s", v.Arg, v.Text))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
