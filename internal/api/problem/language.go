package problem

import (
	"golang.org/x/text/language"

	"github.com/carrel-dev/carrel/internal/fault/words"
)

var (
	languages = []words.Language{words.English, words.Chinese}
	matcher   = language.NewMatcher([]language.Tag{language.English, language.MustParse(string(words.Chinese))})
)

// Language finds the best language for the first wish that there is one for. A
// wish is a language's name or an Accept-Language header, and may be garbage.
func Language(wishes ...string) words.Language {
	_, i := language.MatchStrings(matcher, wishes...)
	return languages[i]
}
