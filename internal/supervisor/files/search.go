package files

import (
	"cmp"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/workspace"
)

// Bounds of a search by name.
const (
	maxQueryBytes    = 400
	maxSearchResults = 200
)

// Named are the files and folders that a name finds, the best first.
type Named struct {
	Items []Entry `json:"items"`
	Cut   string  `json:"cut"` // why not all was looked through: "", "time" or "size"
}

func (s *Server) search(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	words := strings.Fields(strings.ToLower(q.Get("q")))
	if len(words) == 0 || len(q.Get("q")) > maxQueryBytes {
		return fault.InvalidField("query.q", "Say what to look for, in at most %d bytes.", maxQueryBytes)
	}
	below, limit, err := s.below(r, maxSearchResults)
	if err != nil {
		return err
	}
	type hit struct {
		path  string
		score int
	}
	var hits []hit
	better := func(a, b hit) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(len(a.path), len(b.path)), cmp.Compare(a.path, b.path))
	}
	cut, err := s.walk(r.Context(), below, q.Get("all") == "true", func(p string, _ fs.DirEntry) error {
		if !utf8.ValidString(p) {
			return nil
		}
		rel := strings.ToLower(strings.TrimPrefix(p, below+"/"))
		total := 0
		for _, w := range words {
			score := likeness(w, rel)
			if score == 0 {
				return nil
			}
			total += score
		}
		hits = append(hits, hit{p, total})
		if len(hits) >= 20*maxSearchResults {
			slices.SortFunc(hits, better)
			hits = slices.Clip(hits[:limit])
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(hits, better)
	found := Named{Items: []Entry{}, Cut: cut}
	for _, h := range hits[:min(limit, len(hits))] {
		if e, err := s.entry(h.path); err == nil { // else it is gone meanwhile
			found.Items = append(found.Items, e)
		}
	}
	return answer(w, http.StatusOK, found)
}

// below is the folder in which a request looks: that of a project, a path, or the workspace; and how much it wants.
func (s *Server) below(r *http.Request, most int) (rel string, limit int, err error) {
	limit, _, err = page(r)
	if err != nil {
		return "", 0, err
	}
	limit = min(limit, most)
	if name := r.URL.Query().Get("project"); name != "" {
		p, err := s.project(name)
		return p.Path, limit, err
	}
	rel, err = workspace.Resolve(s.home, r.URL.Query().Get("path"))
	return rel, limit, err
}

// likeness says how well a word fits a path, both in lower case: the name itself, its beginning, the beginning of a
// word in it, a part of it, a part of the path, and then letters in their order. 0 is not at all.
func likeness(word, p string) int {
	name := path.Base(p)
	if strings.Contains(word, "/") {
		name = p
	}
	switch i := strings.Index(name, word); {
	case name == word:
		return 100
	case i == 0 && strings.HasPrefix(name[len(word):], "."):
		return 95
	case i == 0:
		return 80
	case i > 0 && !isWord(rune(name[i-1])):
		return 70
	case i > 0:
		return 60
	case strings.Contains(p, word):
		return 40
	case inOrder(word, name):
		return 20
	case inOrder(word, p):
		return 5
	}
	return 0
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r >= utf8.RuneSelf }

// inOrder says whether the letters of word are all in text, in their order.
func inOrder(word, text string) bool {
	for _, r := range word {
		i := strings.IndexRune(text, r)
		if i < 0 {
			return false
		}
		text = text[i+utf8.RuneLen(r):]
	}
	return true
}
