package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTable(t *testing.T) {
	t.Parallel()
	var fast, slow, size series
	for _, ms := range []int{30, 10, 20} {
		fast.add(time.Duration(ms) * time.Millisecond)
		slow.add(2 * time.Duration(ms) * time.Millisecond)
	}
	slow.add(2 * time.Second)
	size.addBytes(12_340_000)
	r := report{Machine: "a machine"}
	r.add("p", "turns", inSeconds, &slow, "raw", &fast)
	r.add("p", "server", inBytes, &size, "", nil)
	r.add("p", "nothing", inSeconds, &series{}, "raw", &series{})
	var out bytes.Buffer
	if err := r.write(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"50.0 ms (20.0 ms–2.00 s)", "20.0 ms (10.0 ms–30.0 ms)", "2.50", "12.3 MB", "a machine"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	out.Reset()
	if err := r.writeJSON(&out); err != nil {
		t.Fatal(err)
	}
	var back report
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || len(back.Rows) != 3 || *back.Rows[0].Ratio != 2.5 {
		t.Errorf("JSON %v: %s", err, out.String())
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	began := time.Now()
	at := func(ms int, line string) heard {
		return heard{began.Add(time.Duration(ms) * time.Millisecond), json.RawMessage(line)}
	}
	delta := `{"type":"stream_event","event":{"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}}}`
	for name, c := range map[string]struct {
		lines []heard
		want  turn
		err   string
	}{
		"whole":  {[]heard{at(1, `{"type":"system"}`), at(5, delta), at(6, delta), at(9, `{"type":"result"}`)}, turn{5 * time.Millisecond, 9 * time.Millisecond}, ""},
		"silent": {[]heard{at(1, `{"type":"result"}`)}, turn{}, "without text"},
		"failed": {[]heard{at(1, `{"type":"result","is_error":true,"result":"boo"}`)}, turn{}, "boo"},
		"refuse": {[]heard{at(1, `{"type":"carrel.error","code":"quota_exceeded","detail":"full"}`)}, turn{}, "quota_exceeded: full"},
		"ended":  {nil, turn{}, "ended in a turn"},
	} {
		lines := make(chan heard, len(c.lines))
		for _, l := range c.lines {
			lines <- l
		}
		close(lines)
		got, err := follow(t.Context(), began, lines)
		if c.err == "" && (err != nil || got != c.want) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestMemoryOfAProcess(t *testing.T) {
	t.Parallel()
	one, err := pss(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	all, err := treePSS(os.Getpid())
	if err != nil || one < 1<<20 || all < one {
		t.Errorf("own memory %d, of the tree %d, %v", one, all, err)
	}
}

// TestRawSide measures the real CLI in front of the scripted model, over the
// unix socket, as the benchmark does.
func TestRawSide(t *testing.T) {
	t.Chdir("..")
	set, err := parse([]string{"-carrel", "true"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBench(set)
	if err != nil {
		t.Fatal(err)
	}
	var cold, ahead ladder
	for kind, l := range map[bool]*ladder{false: &cold, true: &ahead} {
		if err := b.rawLadder(t.Context(), l, kind); err != nil {
			t.Fatal(err)
		}
		if len(l.first.values) != 1 || len(l.second.values) != 1 || len(l.tenth.values) != 1 {
			t.Errorf("measured %+v", l)
		}
	}
	if c, k := cold.first.sample().Median, ahead.tenth.sample().Median; k >= c {
		t.Errorf("a kept process (%f s) is not faster than a cold one (%f s)", k, c)
	}
	if err := b.close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(b.dir); !os.IsNotExist(err) {
		t.Errorf("the folder is left: %v", err)
	}
	t.Logf("cold %.3f s, ready %.3f s, kept %.3f s", cold.first.values[0], ahead.first.values[0], ahead.tenth.values[0])
}
