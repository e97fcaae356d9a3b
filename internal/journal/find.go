package journal

import (
	"bytes"
	"errors"
	"io"
)

// Events are found by halving: lines are in the order of their numbers, and a line break stands nowhere but between
// them. That needs no index, neither in memory nor on disk, and costs a handful of small reads however long the file.
const (
	probeBytes = 1 << 10
	pageChunk  = 64 << 10
)

// seek is the offset of the first event whose number is seq or greater, in a file of whole lines; size when there is
// none. A line that is not an event belongs to the one behind it.
func seek(f io.ReaderAt, size, seq int64) (int64, error) {
	// What is looked for begins in [low, high) or is found, which is where a line begins, or the end.
	low, high, found := int64(0), size, size
	buf := make([]byte, probeBytes)
	for high-low > probeBytes {
		middle := low + (high-low)/2
		begin, err := lineAfter(f, middle, high, buf)
		if err != nil {
			return 0, err
		}
		if begin < 0 {
			high = middle + 1 // a long line goes on to the end of what is looked at
			continue
		}
		n, at, err := numberFrom(f, begin, size, buf)
		switch {
		case err != nil:
			return 0, err
		case at >= 0 && n < seq:
			low = at
		default:
			found, high = begin, middle+1
		}
	}
	for begin := low; begin >= 0 && begin < high; {
		n, at, err := numberFrom(f, begin, size, buf)
		if err != nil {
			return 0, err
		}
		if at < 0 || n >= seq {
			return begin, nil
		}
		if begin, err = lineAfter(f, at, high, buf); err != nil {
			return 0, err
		}
	}
	return found, nil
}

// numberFrom is the number of the first event that begins at begin or behind it, and where; -1 when there is none.
func numberFrom(f io.ReaderAt, begin, size int64, buf []byte) (seq, at int64, err error) {
	for at = begin; at >= 0 && at < size; {
		seq, ok, err := numberAt(f, at, size, buf)
		if err != nil || ok {
			return seq, at, err
		}
		if at, err = lineAfter(f, at, size, buf); err != nil {
			return 0, 0, err
		}
	}
	return 0, -1, nil
}

// lineAfter is where the first line begins that begins after off and before limit, or -1.
func lineAfter(f io.ReaderAt, off, limit int64, buf []byte) (int64, error) {
	for off+1 < limit {
		part := buf[:min(int64(len(buf)), limit-1-off)]
		if err := readAll(f, part, off); err != nil {
			return 0, err
		}
		if i := bytes.IndexByte(part, '\n'); i >= 0 {
			return off + int64(i) + 1, nil
		}
		off += int64(len(part))
		if len(buf) < pageChunk {
			buf = make([]byte, pageChunk) // a long line
		}
	}
	return -1, nil
}

// numberAt is the number of the event that begins at off.
func numberAt(f io.ReaderAt, off, size int64, buf []byte) (seq int64, ok bool, err error) {
	part := buf[:min(int64(len(beforeSeq)+20), size-off)]
	if err := readAll(f, part, off); err != nil {
		return 0, false, err
	}
	seq, _, ok = parseSeq(part)
	return seq, ok, nil
}

// back goes back from the end of a line over at most so many lines and bytes, but at least over the first few. It
// gives the offset that it came to, and how many lines that are.
func back(f io.ReaderAt, end int64, lines int, maxBytes int64, first int) (begin int64, n int, err error) {
	begin = end
	buf := make([]byte, min(pageChunk, end))
	for high := end - 1; n < lines && high >= 0; { // the break at end-1 begins no line of these
		chunk := buf[:min(int64(len(buf)), high)]
		off := high - int64(len(chunk))
		if err := readAll(f, chunk, off); err != nil {
			return 0, 0, err
		}
		high = off
		for n < lines {
			i := bytes.LastIndexByte(chunk, '\n')
			if i < 0 && off > 0 {
				break // the line began before
			}
			start := off + int64(i) + 1
			if n >= first && end-start > maxBytes {
				return begin, n, nil
			}
			begin = start
			n++
			if i < 0 {
				return begin, n, nil
			}
			chunk = chunk[:i]
		}
	}
	return begin, n, nil
}

// readAll fills a buffer; a file that ends before is a failure.
func readAll(f io.ReaderAt, buf []byte, off int64) error {
	n, err := f.ReadAt(buf, off)
	if n == len(buf) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// lastWhole finds the last whole event of a file, and where it ends; 0 and 0 when there is none.
func lastWhole(f io.ReaderAt, size int64) (seq, end int64, err error) {
	for n := int64(pageChunk); size > 0; {
		begin := max(0, size-n)
		tail := make([]byte, size-begin)
		if err := readAll(f, tail, begin); err != nil {
			return 0, 0, err
		}
		tail = tail[:bytes.LastIndexByte(tail, '\n')+1]
		looked := false
		for len(tail) > 0 {
			i := bytes.LastIndexByte(tail[:len(tail)-1], '\n') + 1
			if i == 0 && begin > 0 {
				break // the line may have begun before
			}
			if e, ok := parse(tail[i:]); ok && bytes.IndexByte(tail[i:], 0) < 0 {
				return e.Seq, begin + int64(len(tail)), nil
			}
			tail, looked = tail[:i], true
		}
		switch {
		case looked:
			size, n = begin+int64(len(tail)), pageChunk
		case n > maxLineBytes:
			size, n = begin, pageChunk // no event is that long
		default:
			n *= 4
		}
	}
	return 0, 0, nil
}
