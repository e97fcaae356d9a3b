package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

type snapshotView struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	CreatedAt time.Time `json:"created_at"`
	Bytes     int64     `json:"bytes"`
}

func snapshots(t *testing.T, p *carrel.Person) []snapshotView {
	t.Helper()
	var l struct {
		Items []snapshotView `json:"items"`
	}
	p.Must(200, "GET", "/snapshots", nil, &l)
	return l.Items
}

// TestSnapshot has a person go back to how their files were.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	s := carrel.Start(t, "CARREL_SNAPSHOT_KEEP=3", fmt.Sprintf("CARREL_QUOTA_STORAGE_BYTES=%d", 96*mib))
	ada := s.Setup("ada")
	bob := s.Add(ada, "bob")
	ws, id := open(t, ada, "demo")
	ws.Turn(id, "p1", "[echo the first of ada]")
	if r := command(t, ada, "", "sh", "-c", fillScript); r.ExitCode != 0 {
		t.Fatalf("fill: %+v", r)
	}
	was := describe(t, ada)
	var made snapshotView
	began := time.Now()
	ada.Must(201, "POST", "/snapshots", nil, &made)
	t.Logf("taken in %v: %d bytes", time.Since(began), made.Bytes)
	if got := snapshots(t, ada); len(got) != 1 || got[0] != made || made.Kind != "asked" || made.Bytes < 3_000_000 {
		t.Errorf("%+v; want %+v", got, made)
	}
	ws.Turn(id, "p2", "[echo the second of ada]")
	last := lastSeq(t, ada, id)
	if r := command(t, ada, "", "sh", "-c", "cd ~ && rm -r temp/tree projects/demo/* ; echo new > new"); r.ExitCode != 0 {
		t.Fatalf("%+v", r)
	}
	ws.Close()

	for name, res := range map[string]carrel.Response{
		"another's":  bob.Do("POST", "/snapshots/"+made.ID+"/restore", nil, nil),
		"none":       ada.Do("POST", "/snapshots/s-20200101T000000Z-00000000/restore", nil, nil),
		"a way out":  ada.Do("POST", "/snapshots/..%2f..%2fsecrets/restore", nil, nil),
		"delete one": bob.Do("DELETE", "/snapshots/"+made.ID, nil, nil),
	} {
		refused(t, name, res, 404, "not_found")
	}
	// A page that goes on asking disturbs nothing.
	done := make(chan struct{})
	var polls sync.WaitGroup
	polls.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				ada.Do("GET", "/files?path=", nil, nil)
			}
		}
	})
	began = time.Now()
	ada.Must(204, "POST", "/snapshots/"+made.ID+"/restore", nil, nil)
	t.Logf("restored in %v", time.Since(began))
	close(done)
	polls.Wait()
	if got := describe(t, ada); got != was {
		t.Errorf("the files are\n%s\nwere\n%s", got, was)
	}
	if r := command(t, ada, "", "sh", "-c", "test ! -e ~/new && ls -A ~/.."); r.ExitCode != 0 || strings.Contains(r.Stdout, "restoring") {
		t.Errorf("%+v", r)
	}
	// The journal went on, and so does the conversation.
	if now := lastSeq(t, ada, id); now < last {
		t.Errorf("the journal went back from %d to %d", last, now)
	}
	resumed(t, ada, id)
	// What was there before is a snapshot too.
	all := snapshots(t, ada)
	if len(all) != 2 || all[0].Kind != "before_restore" || all[1].ID != made.ID {
		t.Fatalf("%+v", all)
	}
	ada.Must(204, "POST", "/snapshots/"+all[0].ID+"/restore", nil, nil)
	if r := command(t, ada, "", "cat", "new"); r.Stdout != "new\n" {
		t.Errorf("going forward again: %+v", r)
	}
	ada.Must(201, "POST", "/snapshots", nil, nil)
	if got := snapshots(t, ada); len(got) != 3 {
		t.Errorf("%d are kept: %+v", len(got), got)
	}
	ada.Must(204, "DELETE", "/snapshots/"+snapshots(t, ada)[0].ID, nil, nil)
	if got := snapshots(t, ada); len(got) != 2 {
		t.Errorf("after one was deleted: %+v", got)
	}
	// Both do not fit.
	if r := command(t, ada, "", "sh", "-c", fmt.Sprintf("head -c %d /dev/urandom > ~/temp/big", 60*mib)); r.ExitCode != 0 {
		t.Fatalf("%+v", r)
	}
	ada.Must(201, "POST", "/snapshots", nil, &made)
	refused(t, "two that do not fit", ada.Do("POST", "/snapshots/"+made.ID+"/restore", nil, nil), 0, "quota_exceeded")
	if r := command(t, ada, "", "sh", "-c", "wc -c < ~/temp/big"); strings.TrimSpace(r.Stdout) != fmt.Sprint(60*mib) {
		t.Errorf("after a restore that failed: %+v", r)
	}
}
