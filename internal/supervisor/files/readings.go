package files

import (
	"bytes"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

// binaryProbe is how far a zero byte, which no text has, is looked for.
const binaryProbe = 8000

// readingsOf gives a text as UTF-8, the likeliest reading first; none for what is no text. Much of what was written on
// Windows in China is in GBK, and what its programs call Unicode begins with a mark. The page tells them the same way.
func readingsOf(b []byte) [][]byte {
	if bytes.HasPrefix(b, []byte("\xff\xfe")) || bytes.HasPrefix(b, []byte("\xfe\xff")) {
		if text := decoded(unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM), b); text != nil {
			return [][]byte{text}
		}
		return nil
	}
	if bytes.IndexByte(b[:min(len(b), binaryProbe)], 0) >= 0 {
		return nil
	}
	if utf8.Valid(b) || !likeChinese(b) {
		return [][]byte{b}
	}
	if text := decoded(simplifiedchinese.GB18030, b); text != nil {
		return [][]byte{text, b}
	}
	return [][]byte{b}
}

// decoded is nil where anything of it cannot be read.
func decoded(e encoding.Encoding, b []byte) []byte {
	text, err := e.NewDecoder().Bytes(b)
	if err != nil || bytes.ContainsRune(text, utf8.RuneError) {
		return nil
	}
	return text
}

// likeChinese says whether what is not ASCII comes in the pairs of Chinese letters. Of European ones mostly one stands alone.
func likeChinese(b []byte) bool {
	all, paired := 0, 0
	for i := 0; i < len(b); i++ {
		if b[i] < utf8.RuneSelf {
			continue
		}
		all++
		if i++; i < len(b) && b[i] >= 0xa1 {
			paired++
		}
	}
	return 10*paired >= 9*all
}
