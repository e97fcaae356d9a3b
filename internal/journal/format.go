package journal

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

// The parts of a line. Numbers have no leading zero and times have one length, so that there is one way to write an
// event, and its number is found without parsing JSON.
const (
	beforeSeq   = `{"seq":`
	beforeAt    = `,"at":"`
	timeLayout  = "2006-01-02T15:04:05.000000Z"
	beforeEvent = `","event":`
	end         = "}\n"
)

// format appends an event's line to b.
func format(b []byte, e Event) []byte {
	b = append(b, beforeSeq...)
	b = strconv.AppendInt(b, e.Seq, 10)
	b = append(b, beforeAt...)
	b = e.At.UTC().AppendFormat(b, timeLayout)
	b = append(b, beforeEvent...)
	b = append(b, e.Data...)
	return append(b, end...)
}

// parse reads an event's line, which ends with a line break. Data is part of it, and is taken on trust.
func parse(line []byte) (Event, bool) {
	seq, rest, ok := parseSeq(line)
	if !ok {
		return Event{}, false
	}
	rest, ok = bytes.CutPrefix(rest, []byte(beforeAt))
	if !ok || len(rest) < len(timeLayout) {
		return Event{}, false
	}
	at, err := time.Parse(timeLayout, string(rest[:len(timeLayout)]))
	if err != nil {
		return Event{}, false
	}
	rest, ok = bytes.CutPrefix(rest[len(timeLayout):], []byte(beforeEvent))
	if !ok {
		return Event{}, false
	}
	data, ok := bytes.CutSuffix(rest, []byte(end))
	if !ok || len(data) < 2 || data[0] != '{' || data[len(data)-1] != '}' {
		return Event{}, false
	}
	return Event{Seq: seq, At: at, Data: data}, true
}

// parseSeq reads only the number of a line.
func parseSeq(line []byte) (seq int64, rest []byte, ok bool) {
	rest, ok = bytes.CutPrefix(line, []byte(beforeSeq))
	if !ok {
		return 0, nil, false
	}
	n := 0
	for n < len(rest) && n < 18 && '0' <= rest[n] && rest[n] <= '9' {
		seq = seq*10 + int64(rest[n]-'0')
		n++
	}
	if n == 0 || rest[0] == '0' {
		return 0, nil, false
	}
	return seq, rest[n:], true
}

// keepDamaged copies what is about to be cut away to path.damaged when it is more than one torn line: then it was
// not a crash in the middle of a write, and somebody may want to look.
func keepDamaged(f io.ReaderAt, from, to int64, path string) error {
	whole, err := bytesContain(io.NewSectionReader(f, from, to-from), '\n')
	if err != nil || !whole {
		return err
	}
	out, err := os.OpenFile(path+".damaged", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("keep damaged events: %w", err)
	}
	_, err = io.Copy(out, io.NewSectionReader(f, from, to-from))
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("keep damaged events: %w", err)
	}
	return nil
}

func bytesContain(r io.Reader, c byte) (bool, error) {
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		if bytes.IndexByte(buf[:n], c) >= 0 {
			return true, nil
		}
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// tailBytes is how much of a journal's end Last reads first.
const tailBytes = 64 << 10

// Last is the number of the last whole event of a journal that is not open, found from its end. It is 0 when there is
// none or no journal.
func Last(path string) (int64, error) {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read journal: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("read journal: %w", err)
	}
	for n := int64(tailBytes); ; n *= 4 {
		from := max(0, info.Size()-n)
		tail := make([]byte, info.Size()-from)
		if _, err := f.ReadAt(tail, from); err != nil && err != io.EOF {
			return 0, fmt.Errorf("read journal: %w", err)
		}
		for tail = tail[:bytes.LastIndexByte(tail, '\n')+1]; len(tail) > 0; {
			begin := bytes.LastIndexByte(tail[:len(tail)-1], '\n') + 1
			if begin == 0 && from > 0 {
				break // the line may have begun before
			}
			if e, ok := parse(tail[begin:]); ok {
				return e.Seq, nil
			}
			tail = tail[:begin]
		}
		if from == 0 {
			return 0, nil
		}
		if n > 2*maxLineBytes {
			return 0, fmt.Errorf("read journal: %w", errLongLine)
		}
	}
}
