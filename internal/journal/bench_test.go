package journal

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// piece is a line as most are.
var piece = []byte(`{"type":"stream_event","event":{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"the "}},"session_id":"22ad3721-3cc1-44a6-a8a0-b19ce606acaa","parent_tool_use_id":null,"uuid":"9ee04f29-c944-431c-bceb-c52aca847cf2","api_message_id":"msg_000000000000000000000001"}`)

// sizes are of conversations: as they come, and compacted, where nothing but whole messages is left.
func sizes(b *testing.B, f func(b *testing.B, path string, events int)) {
	for _, events := range []int{1_000, 100_000} {
		for _, compacted := range []bool{false, true} {
			b.Run(fmt.Sprintf("events=%d/compacted=%v", events, compacted), func(b *testing.B) {
				path := filepath.Join(b.TempDir(), "j")
				j := open(b, path)
				for range events {
					if _, err := j.Append(piece); err != nil {
						b.Fatal(err)
					}
				}
				if compacted {
					if err := j.Compact(context.Background(), j.Last(), func(int64) bool { return false }); err != nil {
						b.Fatal(err)
					}
				}
				if err := j.Close(); err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				f(b, path, events)
			})
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	j := open(b, filepath.Join(b.TempDir(), "j"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := j.Append(piece); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendToReader(b *testing.B) {
	j := open(b, filepath.Join(b.TempDir(), "j"))
	r, err := j.Read(0)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := j.Append(piece); err != nil {
			b.Fatal(err)
		}
		if _, err := r.Next(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendSync(b *testing.B) {
	j := open(b, filepath.Join(b.TempDir(), "j"))
	for b.Loop() {
		if _, err := j.Append(piece); err != nil {
			b.Fatal(err)
		}
		if err := j.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	sizes(b, func(b *testing.B, path string, _ int) {
		for b.Loop() {
			j, err := Open(path)
			if err != nil {
				b.Fatal(err)
			}
			_ = j.Close()
		}
	})
}

func BenchmarkReplay(b *testing.B) {
	sizes(b, func(b *testing.B, path string, events int) {
		j := open(b, path)
		for b.Loop() {
			if seqs := read(b, j, 0); seqs != events {
				b.Fatalf("%d events", seqs)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(events), "ns/event")
	})
}

func BenchmarkAfterNearEnd(b *testing.B) {
	sizes(b, func(b *testing.B, path string, events int) {
		j := open(b, path)
		for b.Loop() {
			if n := read(b, j, int64(events-50)); n != 50 {
				b.Fatalf("%d events", n)
			}
		}
	})
}

func BenchmarkPageFromEnd(b *testing.B) {
	sizes(b, func(b *testing.B, path string, _ int) {
		j := open(b, path)
		for b.Loop() {
			after, err := j.Page(0, 100, 16<<20)
			if err != nil {
				b.Fatal(err)
			}
			if n := read(b, j, after); n != 100 {
				b.Fatalf("%d events", n)
			}
		}
	})
}

func BenchmarkPageFromMiddle(b *testing.B) {
	sizes(b, func(b *testing.B, path string, events int) {
		j := open(b, path)
		for b.Loop() {
			if after, err := j.Page(int64(events/2), 100, 16<<20); err != nil || after != int64(events/2-101) {
				b.Fatal(after, err)
			}
		}
	})
}

// read counts the events from a number to the last.
func read(b *testing.B, j *Journal, after int64) (n int) {
	r, err := j.Read(after)
	if err != nil {
		b.Fatal(err)
	}
	for last := j.Last(); after < last; n++ {
		e, err := r.Next(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		after = e.Seq
	}
	return n
}

// BenchmarkCompact moves 1,000 pieces, of which nothing but the last stays, and a message of their text.
func BenchmarkCompact(b *testing.B) {
	j := open(b, filepath.Join(b.TempDir(), "j"))
	message := []byte(`{"type":"assistant","text":"` + strings.Repeat("the ", 1000) + `"}`)
	for b.Loop() {
		for range 1000 {
			if _, err := j.Append(piece); err != nil {
				b.Fatal(err)
			}
		}
		seq, err := j.Append(message)
		if err != nil {
			b.Fatal(err)
		}
		if err := j.Compact(context.Background(), seq, func(int64) bool { return true }); err != nil {
			b.Fatal(err)
		}
	}
}
