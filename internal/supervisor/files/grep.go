package files

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"regexp"
	"regexp/syntax"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/carrel-dev/carrel/internal/fault"
)

// Bounds of a search in files. Larger files, and those that are no text, are not looked into.
const (
	grepFileBytes  = 4 << 20
	grepTotalBytes = 1 << 30
	grepPerFile    = 100
	grepResults    = 500
	grepContext    = 120      // bytes of a line that are shown on either side
	grepProgram    = 10_000   // steps that an expression may be made of; each may be taken for every letter
	grepSteps      = 64 << 20 // that are taken at a time, which is a second at worst; what may need more is watched
)

// Line is a line that was found, cut to what surrounds the first find in it.
type Line struct {
	Path   string `json:"path"`
	Line   int    `json:"line"` // from 1
	Before string `json:"before"`
	Match  string `json:"match"`
	After  string `json:"after"`
}

// Lines are what a search in files found, file by file.
type Lines struct {
	Items []Line `json:"items"`
	Files int    `json:"files"` // that were looked into
	Cut   string `json:"cut"`   // why not all was looked through: "", "time", "size" or "results"
}

func (s *Server) grep(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	pattern := q.Get("q")
	if pattern == "" || len(pattern) > maxQueryBytes || !utf8.ValidString(pattern) {
		return fault.InvalidField("query.q", "Say what to look for, in at most %d bytes.", maxQueryBytes)
	}
	below, limit, err := s.below(r, grepResults)
	if err != nil {
		return err
	}
	if q.Get("regexp") != "true" {
		pattern = regexp.QuoteMeta(pattern)
	}
	flags := "(?m)"
	if q.Get("case") != "true" {
		flags = "(?mi)"
	}
	re, steps, err := compile(flags + pattern)
	if err != nil {
		return err
	}
	g := grepping{ctx: r.Context(), end: time.Now().Add(walkTime), re: re, steps: steps, limit: limit, buf: make([]byte, grepFileBytes+1), found: Lines{Items: []Line{}}}
	cut, err := s.walk(r.Context(), below, q.Get("all") == "true", func(p string, e fs.DirEntry) error {
		if !e.Type().IsRegular() || !utf8.ValidString(p) {
			return nil
		}
		return g.file(s, p)
	})
	if errors.Is(err, errTooMuch) {
		cut, err = cutSize, nil
	}
	if err != nil {
		return err
	}
	g.found.Cut = cut
	return answer(w, http.StatusOK, g.found)
}

// compile gives an expression, and how many steps it is made of.
func compile(pattern string) (*regexp.Regexp, int, error) {
	refuse := func(err error) error {
		var bad *syntax.Error
		if errors.As(err, &bad) {
			return fault.InvalidField("query.q", "That is not a regular expression: %s.", fault.Quote(bad.Code.String()))
		}
		return err
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, 0, refuse(err)
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, 0, refuse(err)
	}
	if len(program.Inst) > grepProgram {
		return nil, 0, fault.InvalidField("query.q", "That regular expression is too large: it repeats too much.")
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, 0, refuse(err)
	}
	return re, len(program.Inst), nil
}

var (
	errTooMuch = errors.New("too much to look through")
	errLate    = errors.New("out of time")
)

type grepping struct {
	ctx   context.Context
	end   time.Time
	re    *regexp.Regexp
	steps int
	limit int
	buf   []byte
	total int64
	found Lines
}

func (g *grepping) file(s *Server, p string) error {
	f, info, err := s.openFile(p)
	if err != nil {
		return nil // gone meanwhile, or closed to its owner
	}
	defer f.Close()
	if info.Size() > grepFileBytes {
		return nil
	}
	n, err := io.ReadFull(f, g.buf)
	if err == nil || !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil // it has grown, or the disk failed
	}
	text := g.buf[:n]
	if g.total += int64(n); g.total > grepTotalBytes {
		return errTooMuch
	}
	readings := readingsOf(text)
	if len(readings) == 0 {
		return nil
	}
	g.found.Files++
	for before := len(g.found.Items); len(readings) > 0 && len(g.found.Items) == before; readings = readings[1:] {
		if err := g.lines(p, readings[0]); err != nil {
			return err
		}
	}
	return nil
}

// lines notes the lines of a text in which something is found.
func (g *grepping) lines(p string, text []byte) error {
	line, at, n := 1, 0, len(text)
	for range grepPerFile {
		m, err := g.find(text[at:])
		if err != nil {
			return err
		}
		if m == nil || m[0] == m[1] && at+m[0] >= n {
			return nil
		}
		start, end := at+m[0], at+m[1]
		line += bytes.Count(text[at:start], []byte{'\n'})
		from := bytes.LastIndexByte(text[:start], '\n') + 1
		to := n
		if i := bytes.IndexByte(text[start:], '\n'); i >= 0 {
			to = start + i
		}
		end = min(end, to) // a find over several lines is shown by its first
		g.found.Items = append(g.found.Items, Line{
			Path: p, Line: line,
			Before: shown(text[max(from, start-grepContext):start]),
			Match:  shown(text[start:min(end, start+2*grepContext)]),
			After:  strings.TrimSuffix(shown(text[end:min(to, end+grepContext)]), "\r"),
		})
		if len(g.found.Items) >= g.limit {
			return errCut
		}
		if to >= n {
			return nil
		}
		line++
		at = to + 1
	}
	return nil
}

// find finds the first of what is looked for, and comes back when the time is over or nobody waits any more.
func (g *grepping) find(text []byte) ([]int, error) {
	if err := g.over(); err != nil {
		return nil, err
	}
	if len(text) <= grepSteps/g.steps {
		return g.re.FindIndex(text), nil
	}
	// Nothing stops an expression, but the end of what it reads.
	w := watchedText{text: text, over: g.over}
	m := g.re.FindReaderIndex(&w)
	return m, w.err
}

func (g *grepping) over() error {
	if err := g.ctx.Err(); err != nil {
		return err
	}
	if time.Now().After(g.end) {
		return errLate
	}
	return nil
}

// watchedText gives a text letter by letter, and ends early with the reason that over gives.
type watchedText struct {
	text []byte
	over func() error
	n    int
	err  error
}

func (w *watchedText) ReadRune() (rune, int, error) {
	if w.n%256 == 0 && w.err == nil {
		w.err = w.over()
	}
	w.n++
	if w.err != nil || len(w.text) == 0 {
		return 0, 0, io.EOF
	}
	r, size := utf8.DecodeRune(w.text)
	w.text = w.text[size:]
	return r, size, nil
}

// shown is a piece of a line as JSON can hold it: what was cut within a letter, or is none, is left out.
func shown(b []byte) string { return strings.ToValidUTF8(string(b), "") }
