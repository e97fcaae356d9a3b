package process

import (
	"os"
	"runtime"
	"testing"
)

func TestTasks(t *testing.T) {
	if n := parseThreads([]byte("7 (a ) b) S 1 7 7 0 -1 4194560 106 0 0 0 150 50 0 0 20 0 12 0 100")); n != 12 {
		t.Errorf("%d threads, want 12", n)
	}
	before := Tasks()
	if before < 2 {
		t.Fatalf("%d tasks; this program alone has more", before)
	}
	stop := make(chan struct{})
	defer close(stop)
	up := make(chan struct{})
	for range 200 { // more than others start or end meanwhile
		go func() { runtime.LockOSThread(); up <- struct{}{}; <-stop }()
		<-up
	}
	if now := Tasks(); now < before+100 {
		t.Errorf("%d tasks after 200 threads more than %d", now, before)
	}
}

func TestParseStatusOfOneWhoLies(t *testing.T) {
	state, groups := parseStatus([]byte("Name:\tx\\nGroups:\\t5\nState:\tS (sleeping)\nGroups:\t20001 5 \n"))
	if state != 'S' || len(groups) != 2 || groups[0] != 20001 {
		t.Errorf("got %c %v", state, groups)
	}
}

func TestParseStat(t *testing.T) {
	cpu, memory := parseStat([]byte("7 (a ) b) S 1 7 7 0 -1 4194560 106 0 0 0 150 50 0 0 20 0 1 0 100 2560000 25 18446744073709551615 1 1 0"))
	if cpu != 2 || memory != int64(25*os.Getpagesize()) {
		t.Errorf("got %v, %v; want 2 s and 25 pages", cpu, memory)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("Name:\tx\nState:\tS\nGroups:\t1 2\n"))
	f.Add([]byte("7 (a) S 1 7 7 0 -1 4194560 106 0 0 0 150 50 0 0 20 0 1 0 100 2560000 25"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseStatus(b)
		if cpu, memory := parseStat(b); cpu < 0 || memory < 0 {
			t.Errorf("negative: %v %v", cpu, memory)
		}
	})
}
