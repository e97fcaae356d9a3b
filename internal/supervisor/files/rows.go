package files

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Bounds of one reading of a transcript. Of one that is longer, the end is given: that is what a person was at.
var rowBounds = bounds{read: 256 << 20, row: protocol.MaxRowBytes, rows: 100_000, given: 64 << 20}

type bounds struct {
	read  int64 // of the file
	row   int   // one row
	rows  int   // that are kept track of
	given int64 // in all
}

// place is where a row lies.
type place struct {
	off  int64
	size int
}

// getRows gives the rows of a conversation that make up what the CLI would take up, in order: a line that says what
// follows, and then the rows as they are. It begins behind an offset at which an earlier reading ended.
func (s *Server) getRows(w http.ResponseWriter, r *http.Request) error {
	from := int64(0)
	if v := r.URL.Query().Get("from"); v != "" {
		var err error
		if from, err = strconv.ParseInt(v, 10, 64); err != nil || from < 0 {
			return fault.InvalidField("query.from", "from must be the offset at which an earlier reading ended.")
		}
	}
	found, err := s.transcriptFiles(r.PathValue("id"))
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return noTranscript()
	}
	newest := found[0]
	for _, f := range found[1:] {
		if f.ModifiedAt.After(newest.ModifiedAt) {
			newest = f
		}
	}
	f, info, err := s.openFile(newest.path)
	if err != nil {
		return err
	}
	defer f.Close()
	t, err := scanRows(f, from, info.Size(), rowBounds)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := bufio.NewWriterSize(w, 64<<10)
	if err := json.NewEncoder(out).Encode(protocol.Rows{From: t.from, Until: t.until, Count: len(t.rows), LeftOut: t.leftOut}); err != nil {
		return nil // the reader is gone
	}
	var buf []byte
	for _, p := range t.rows {
		if r.Context().Err() != nil {
			return nil
		}
		if cap(buf) < p.size {
			buf = make([]byte, p.size)
		}
		line := buf[:p.size]
		if _, err := f.ReadAt(line, p.off); err != nil || bytes.IndexByte(line[:p.size-1], '\n') >= 0 || line[p.size-1] != '\n' {
			s.log.Warn("a transcript was changed while it was read", "error", err)
			break
		}
		if _, err := out.Write(line); err != nil {
			return nil // the reader is gone
		}
	}
	_ = out.Flush() // as above
	return nil
}

// thread is what was found in a transcript.
type thread struct {
	rows        []place
	from, until int64
	leftOut     int // rows that would be shown, but for a bound
}

// scanRows looks through a transcript, up to the size that it had at the beginning: it may grow for ever.
func scanRows(f *os.File, from, size int64, most bounds) (thread, error) {
	t := thread{from: from}
	if !atLine(f, from, size) {
		t.from = 0 // it is not the file that was read then
	}
	cut := size-t.from > most.read
	if cut {
		t.from = size - most.read
	}
	t.until = t.from
	lines := bufio.NewReaderSize(io.NewSectionReader(f, t.from, size-t.from), 256<<10)
	var nodes []claude.Node
	var places []place
	var line []byte
	for {
		var n int
		var err error
		line, n, err = readRow(lines, line[:0], most.row)
		if errors.Is(err, io.EOF) {
			break // what has no line break yet is still being written
		}
		if err != nil {
			return thread{}, err
		}
		p := place{t.until, n}
		t.until += int64(n)
		if cut {
			cut = false // the first is the end of one
			continue
		}
		if n > most.row {
			t.leftOut++
			continue
		}
		row, err := claude.ParseRow(line)
		if err != nil {
			continue
		}
		node, ok := row.Node()
		if !ok {
			continue
		}
		if len(nodes) == most.rows { // the first half goes
			half := len(nodes) / 2
			for _, n := range nodes[:half] {
				if n.Kind != claude.RowSilent {
					t.leftOut++
				}
			}
			nodes, places = append(nodes[:0], nodes[half:]...), append(places[:0], places[half:]...)
		}
		nodes, places = append(nodes, node), append(places, p)
	}
	for i, in := range claude.Thread(nodes) {
		if in && nodes[i].Kind != claude.RowSilent {
			t.rows = append(t.rows, places[i])
		}
	}
	left := most.given
	for i := len(t.rows) - 1; i >= 0; i-- {
		if left -= int64(t.rows[i].size); left < 0 {
			t.leftOut += i + 1
			t.rows = t.rows[i+1:]
			break
		}
	}
	return t, nil
}

// atLine says whether a line begins at an offset.
func atLine(f io.ReaderAt, off, size int64) bool {
	if off == 0 {
		return true
	}
	var b [1]byte
	_, err := f.ReadAt(b[:], off-1)
	return off <= size && err == nil && b[0] == '\n'
}

// readRow reads one line into buf, and of a long one no more than a bit beyond most. n is its whole length.
func readRow(r *bufio.Reader, buf []byte, most int) (line []byte, n int, err error) {
	for {
		part, err := r.ReadSlice('\n')
		n += len(part)
		if len(buf) <= most {
			buf = append(buf, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return buf, n, err
		}
	}
}
