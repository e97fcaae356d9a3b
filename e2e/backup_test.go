package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// fillScript makes files of every kind that a backup keeps, and prints what they are.
const fillScript = `set -e; cd ~/temp
mkdir -p tree/deep/er; printf 'a text\n' > tree/plain; ln tree/plain tree/hard; ln -s /etc/shadow tree/link; chmod 6750 tree/plain
truncate -s 90M tree/holes; printf end >> tree/holes; printf x > "$(printf 'tree/new\nline')"; touch -d 2001-02-03 tree/deep; mkfifo tree/fifo
head -c 3000000 /dev/urandom > tree/noise`

const describeScript = `cd ~/temp/tree; find . ! -type p -printf '%p %y %m %s %n %l %U:%G %Ts\n' | sort; find . -type f ! -name holes -print0 | sort -z | xargs -0 cat | sha256sum; tail -c 3 holes; stat -c %i plain hard | uniq | wc -l; [ $(du -k holes | cut -f1) -lt 100 ] && echo sparse`

func describe(t *testing.T, p *carrel.Person) string {
	t.Helper()
	r := command(t, p, "", "sh", "-c", describeScript)
	if r.ExitCode != 0 {
		t.Fatalf("describe: %+v", r)
	}
	return r.Stdout
}

// events are all of a session up to a number, as the API gives them.
func events(t *testing.T, p *carrel.Person, id string, until int64) []string {
	t.Helper()
	ws := p.Dial()
	defer ws.Close()
	ws.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
	ws.Wait(fmt.Sprint("event ", until), func(m carrel.Message) bool { return m.Type == "event" && m.SessionID == id && m.Seq >= until })
	ws.CheckOrder()
	var all []string
	for _, m := range ws.Messages() {
		if m.Type == "event" && m.SessionID == id && m.Seq <= until {
			all = append(all, fmt.Sprint(m.Seq, " ", string(m.Event)))
		}
	}
	return all
}

// TestBackupAndRestore saves a Carrel at work and goes on with it elsewhere.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	storage := fmt.Sprintf("CARREL_QUOTA_STORAGE_BYTES=%d", 96*mib)
	s := carrel.Start(t, storage)
	ada := s.Setup("ada")
	bob := s.Add(ada, "bob")
	s.Enrol(ada, "eve") // who never begins

	var sessions [2]string
	var before [2]string
	people := []*carrel.Person{ada, bob}
	for i, p := range people {
		ws, id := open(t, p, "demo")
		ws.Turn(id, "p1", "[echo the first of "+p.Name+"]")
		if r := command(t, p, "", "sh", "-c", fillScript); r.ExitCode != 0 {
			t.Fatalf("fill: %+v", r)
		}
		sessions[i], before[i] = id, describe(t, p)
		ws.Close()
	}
	// Bob's volume is not mounted when the backup comes to it.
	bob.Must(204, "DELETE", "/instance", nil, nil)

	// Ada's turn runs, and her files are written, all the while.
	ws := ada.Dial()
	ws.Send(map[string]any{"type": "subscribe", "session_id": sessions[0], "after": 0})
	ws.Send(map[string]any{"type": "prompt", "session_id": sessions[0], "id": "p2", "content": "[pace 5ms] [echo the second of ada] [say 1500]"})
	ws.Wait("ack of p2", func(m carrel.Message) bool { return m.Type == "ack" && m.ID == "p2" })
	_, acknowledged := ws.WaitEvent("text of p2", sessions[0], 0, func(e carrel.Event) bool { return strings.Contains(e.Event.Delta.Text, "second") })
	var wg sync.WaitGroup
	wg.Go(func() {
		command(t, ada, "", "sh", "-c", "cd ~/temp; for i in $(seq 2000); do mkdir -p churn; echo $i > churn/$i; echo $i >> log; [ $((i % 50)) = 0 ] && rm -r churn; ln -sfn /etc churn2; done; true")
	})
	file := filepath.Join(t.TempDir(), "carrel.backup")
	began := time.Now()
	out, err := s.Command("", "backup", file)
	took := time.Since(began)
	if err != nil {
		t.Fatalf("backup: %v\n%s", err, out)
	}
	fi, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("backup: %v, %d bytes: %s", took, fi.Size(), out)
	if fi.Mode().Perm() != 0o600 {
		t.Errorf("the backup can be read by others: %v", fi.Mode())
	}
	wg.Wait()
	// Whoever had no instance can get one at once.
	put(t, bob)
	if got := describe(t, bob); got != before[1] {
		t.Errorf("bob's files after the backup:\n%s\nwere\n%s", got, before[1])
	}
	ws.WaitEvent("result of p2", sessions[0], acknowledged, isResult)
	var want [2][]string
	want[0] = events(t, ada, sessions[0], acknowledged)
	want[1] = events(t, bob, sessions[1], lastSeq(t, bob, sessions[1]))

	if out, err := s.Command("", "restore", file); err == nil || !strings.Contains(out, "`carrel stop` ends it") {
		t.Errorf("restore over a running Carrel: %v\n%s", err, out)
	}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	began = time.Now()
	if out, err = s.Command("", "restore", file, "--data-dir", elsewhere); err != nil {
		t.Fatalf("restore: %v\n%s", err, out)
	}
	t.Logf("restore: %v: %s", time.Since(began), out)
	for _, line := range []string{"ada (user 1): files and journals", "bob (user 2): files and journals", "eve (user 3): no files yet"} {
		if !strings.Contains(out, line) {
			t.Errorf("restore does not say %q:\n%s", line, out)
		}
	}

	s2 := carrel.StartOn(t, elsewhere, storage)
	for i, name := range []string{"ada", "bob"} {
		p := s2.SignIn(name)
		if got := describe(t, p); got != before[i] {
			t.Errorf("%s's files came back as\n%s\nwere\n%s", name, got, before[i])
		}
		have := events(t, p, sessions[i], int64(len(want[i])))
		for k, e := range want[i] {
			if k >= len(have) || have[k] != e {
				t.Fatalf("%s's event %d came back as %.300s; was %.300s", name, k+1, have[min(k, len(have)-1)], e)
			}
		}
		resumed(t, p, sessions[i])
		// A limit is a limit.
		if r := command(t, p, "", "sh", "-c", fmt.Sprintf("head -c %d /dev/zero > ~/temp/big", 120*mib)); r.ExitCode == 0 || !strings.Contains(r.Stderr, "No space") {
			t.Errorf("%s has more than the limit: %+v", name, r)
		}
		if r := command(t, p, "", "sh", "-c", "rm -f ~/temp/big && df --output=size -k ~ | tail -1"); strings.TrimSpace(r.Stdout) > "98304" {
			t.Errorf("%s has %s KiB", name, r.Stdout)
		}
	}
	s2.SignIn("eve")
}

func lastSeq(t *testing.T, p *carrel.Person, id string) int64 {
	t.Helper()
	var v struct {
		LastSeq int64 `json:"last_seq"`
	}
	p.Must(200, "GET", "/sessions/"+id, nil, &v)
	return v.LastSeq
}

// resumed has the real CLI go on with a conversation, in the transcript that it had.
func resumed(t *testing.T, p *carrel.Person, id string) {
	t.Helper()
	ws := p.Dial()
	ws.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
	ws.Wait("its state", func(m carrel.Message) bool { return m.SessionID == id })
	if r, _ := ws.Turn(id, "after the restore", "[echo after the restore]"); r.IsError || !strings.Contains(r.Result, "after the restore") {
		// A turn that was cut may end first.
		ws.WaitEvent("the turn after the restore", id, 0, func(e carrel.Event) bool { return isResult(e) && strings.Contains(e.Result, "after the restore") })
	}
	ws.CheckOrder()
	r := command(t, p, "", "sh", "-c", "cd ~ && f=$(find . -name '"+id+".jsonl' -path '*projects*' | head -1) && grep -c 'the first of "+p.Name+"' \"$f\" && grep -c 'after the restore' \"$f\"")
	if r.ExitCode != 0 {
		t.Errorf("%s's transcript does not go on: %+v", p.Name, r)
	}
}
