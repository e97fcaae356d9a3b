package session

import (
	"encoding/json"
	"strings"
	"unicode"

	"github.com/rivo/uniseg"
)

// A title made of a prompt: about so many characters, and a word is not cut
// when one ends at most wordSlack characters earlier.
const (
	titleLength = 60
	wordSlack   = 20
)

// promptTitle is the title that a conversation has until somebody names it:
// the first line with words of its first prompt.
func promptTitle(content json.RawMessage) string {
	var text string
	if json.Unmarshal(content, &text) != nil {
		var blocks []struct {
			Type string `json:"type"`
			Text string `json:"text"`
		}
		if json.Unmarshal(content, &blocks) != nil {
			return ""
		}
		for _, b := range blocks {
			if b.Type == "text" && strings.TrimSpace(b.Text) != "" {
				text = b.Text
				break
			}
		}
	}
	for line := range strings.Lines(text) {
		if t := cut(squeeze(line), titleLength); t != "" {
			return t
		}
	}
	return ""
}

// cleanTitle makes a title of a text from outside.
func cleanTitle(s string) string { return cut(squeeze(s), maxTitleRunes) }

// maxScanned bounds how much of a line is looked at for a title.
const maxScanned = 32 << 10

// squeeze leaves printable characters with single spaces between the words.
func squeeze(s string) string {
	s = s[:min(len(s), maxScanned)] // a letter that this cuts in two is dropped as invalid
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsPrint(r), r == '\u200d', r == '\ufe0f': // both join what is seen as one character
			return r
		}
		return -1
	}, strings.ToValidUTF8(s, ""))
	return strings.Join(strings.Fields(s), " ")
}

// cut shortens to about n characters as people count them, at the end of a
// word where one is near. The result never has more than n.
func cut(s string, n int) string {
	total := uniseg.GraphemeClusterCount(s)
	if total <= n && len(s) <= 32*n {
		return s
	}
	end, word, state, rest := 0, -1, -1, s
	for i := 0; i < n-1 && rest != ""; i++ {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if end+len(cluster) > 32*n { // a "character" of endless accents
			break
		}
		if cluster == " " && i >= n-1-wordSlack {
			word = end
		}
		end += len(cluster)
	}
	if word > 0 && !strings.HasPrefix(rest, " ") {
		end = word
	}
	return strings.TrimRight(s[:end], " ") + "…"
}
