package problem

import (
	"testing"

	"github.com/carrel-dev/carrel/internal/fault/words"
)

func TestLanguage(t *testing.T) {
	for _, c := range []struct {
		wishes []string
		want   words.Language
	}{
		{nil, words.English},
		{[]string{""}, words.English},
		{[]string{"zh-CN"}, words.Chinese},
		{[]string{"zh"}, words.Chinese},
		{[]string{"zh-Hans"}, words.Chinese},
		{[]string{"zh-TW,zh;q=0.9"}, words.Chinese}, // nearer than English
		{[]string{"zh-CN,zh;q=0.9,en;q=0.8"}, words.Chinese},
		{[]string{"en-GB,en;q=0.9,zh-CN;q=0.8"}, words.English},
		{[]string{"en;q=0.5, zh-CN;q=0.9"}, words.Chinese},
		{[]string{"fr-FR, zh;q=0.3"}, words.Chinese},
		{[]string{"fr-FR"}, words.English},
		{[]string{"*"}, words.English},
		{[]string{"", "zh-CN"}, words.Chinese},
		{[]string{"fr", "", "zh-CN"}, words.Chinese},
		{[]string{"en", "zh-CN"}, words.English},
		{[]string{"zh-CN", "en"}, words.Chinese},
		{[]string{";;q=,\x00\xff-----", "zh-CN"}, words.Chinese},
	} {
		if got := Language(c.wishes...); got != c.want {
			t.Errorf("%q: got %s; want %s", c.wishes, got, c.want)
		}
	}
}
