package journal

import (
	"bytes"
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

// gap is the event of Skip: the only one whose number may be greater by more than one than that of the event before.
var gap = []byte(`{"type":"carrel.gap"}`)

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
