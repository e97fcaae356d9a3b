package audit

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"go.uber.org/goleak"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// setup gives a record whose clock goes on by a second with each entry.
func setup(t *testing.T) (*Log, *bun.DB) {
	t.Helper()
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "carrel.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	var mu sync.Mutex
	at := start
	now := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		at = at.Add(time.Second)
		return at
	}
	return New(Options{DB: db.Bun(), Now: now, Log: slog.New(slog.DiscardHandler)}), db.Bun()
}

func record(t *testing.T, l *Log, e Entry) {
	t.Helper()
	if err := l.Record(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

func TestRecordAndList(t *testing.T) {
	l, _ := setup(t)
	record(t, l, Entry{Action: "login.fail", Target: "ana", Address: "192.0.2.1"})
	record(t, l, Entry{ActorID: 1, Action: "user.create", Target: "user-2", Address: "192.0.2.1", Detail: map[string]any{"role": "user"}})
	record(t, l, Entry{ActorID: 1, Action: "user.quota", Target: "user-2", Detail: map[string]any{"cpu": 2.0}})
	record(t, l, Entry{ActorID: 2, Action: "users", Target: "user-2"})

	all := []Entry{
		{ID: 4, At: start.Add(4 * time.Second), ActorID: 2, Action: "users", Target: "user-2", Detail: map[string]any{}},
		{ID: 3, At: start.Add(3 * time.Second), ActorID: 1, Action: "user.quota", Target: "user-2", Detail: map[string]any{"cpu": 2.0}},
		{ID: 2, At: start.Add(2 * time.Second), ActorID: 1, Action: "user.create", Target: "user-2", Address: "192.0.2.1", Detail: map[string]any{"role": "user"}},
		{ID: 1, At: start.Add(time.Second), Action: "login.fail", Target: "ana", Address: "192.0.2.1", Detail: map[string]any{}},
	}
	for name, test := range map[string]struct {
		filter Filter
		want   []Entry
	}{
		"all":    {Filter{}, all},
		"actor":  {Filter{ActorID: 1}, all[1:3]},
		"nobody": {Filter{Nobody: true}, all[3:]},
		"action": {Filter{Action: "user.create"}, all[2:3]},
		"prefix": {Filter{Action: "user.*"}, all[1:3]},
		"target": {Filter{Target: "ana"}, all[3:]},
		"since":  {Filter{Since: start.Add(3 * time.Second)}, all[:2]},
		"before": {Filter{Before: start.Add(3 * time.Second)}, all[2:]},
		"both":   {Filter{Target: "user-2", ActorID: 2}, all[:1]},
		"none":   {Filter{Target: "user-20"}, []Entry{}},
		"odd":    {Filter{Target: "\x00' OR 1=1 --"}, []Entry{}},
	} {
		page, err := l.List(t.Context(), test.filter, 0, "")
		if err != nil || !reflect.DeepEqual(page.Items, test.want) || page.NextCursor != "" {
			t.Errorf("%s: got %+v (%v)\nwant %+v", name, page, err, test.want)
		}
	}
	_, err := l.List(t.Context(), Filter{}, 0, "odd")
	if fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a bad cursor = %v", err)
	}
}

func TestPagesAreStableWhileItGrows(t *testing.T) {
	l, _ := setup(t)
	for i := range 10 {
		record(t, l, Entry{Action: fmt.Sprint(i)})
	}
	var got []string
	for cursor, more := "", true; more; more = cursor != "" {
		page, err := l.List(t.Context(), Filter{}, 3, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Items {
			got = append(got, e.Action)
		}
		cursor = page.NextCursor
		record(t, l, Entry{Action: "meanwhile"})
	}
	if s := strings.Join(got, ""); s != "9876543210" {
		t.Errorf("pages = %s, want 9876543210", s)
	}
}

func TestNothingIsChangedOrRemoved(t *testing.T) {
	l, db := setup(t)
	record(t, l, Entry{ActorID: 1, Action: "user.delete", Target: "user-2"})
	for _, statement := range []string{
		"UPDATE audit SET actor_id = 2",
		"UPDATE audit SET detail = '{}' WHERE id = 1",
		"DELETE FROM audit",
		"DELETE FROM audit WHERE id = 1",
		"INSERT OR REPLACE INTO audit (id, at, action, target, address, detail) VALUES (1, '2026-01-01', 'x', 'x', 'x', '{}')",
		"REPLACE INTO audit (id, at, action, target, address, detail) VALUES (1, '2026-01-01', 'x', 'x', 'x', '{}')",
		"UPDATE OR REPLACE audit SET id = 2",
		"INSERT INTO audit (id, at, action, target, address, detail) VALUES (1, '2026-01-01', 'x', 'x', 'x', '{}') ON CONFLICT (id) DO UPDATE SET action = 'x'",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v, want 'append-only'", statement, err)
		}
	}
	page, err := l.List(t.Context(), Filter{}, 0, "")
	if err != nil || len(page.Items) != 1 || page.Items[0].ActorID != 1 || page.Items[0].Action != "user.delete" {
		t.Errorf("record = %+v, %v", page, err)
	}
}

func TestSecretsAreRedacted(t *testing.T) {
	l, db := setup(t)
	type inner struct {
		APIKey string `json:"api_key"`
		Name   string `json:"name"`
	}
	record(t, l, Entry{Action: "x", Detail: map[string]any{
		"password": "hunter2", "New_Password": "hunter2", "tokens_per_day": 5, "token_id": "tok_1", "keys": []inner{{"hunter2", "ana"}},
		"cookie": map[string]any{"value": "hunter2"},
	}})
	record(t, l, Entry{Action: "x", Detail: map[string]any{"f": func() {}}})
	record(t, l, Entry{Action: "x", Detail: map[string]any{"long": strings.Repeat("x", maxDetailBytes)}})
	record(t, l, Entry{Action: "x", Target: "a\x00b\xff" + strings.Repeat("界", 200)})
	var details []string
	if err := db.NewRaw("SELECT detail FROM audit ORDER BY id").Scan(t.Context(), &details); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"New_Password":"[redacted]","cookie":"[redacted]","keys":[{"api_key":"[redacted]","name":"ana"}],"password":"[redacted]","token_id":"tok_1","tokens_per_day":5}`,
		`{"unreadable":true}`,
		`{"too_long":4107}`,
		`{}`,
	}
	if !reflect.DeepEqual(details, want) {
		t.Errorf("details = %s\nwant      %s", details, want)
	}
	page, err := l.List(t.Context(), Filter{}, 1, "")
	if err != nil || !strings.HasPrefix(page.Items[0].Target, "a\uFFFDb\uFFFD界") || len(page.Items[0].Target) > maxTextBytes+3 {
		t.Errorf("target = %q, %v", page.Items[0].Target, err)
	}
}

func TestManyRecordAtOnce(t *testing.T) {
	l, _ := setup(t)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 10 {
				if err := l.Record(t.Context(), Entry{ActorID: int64(i + 1), Action: "x"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	page, err := l.List(t.Context(), Filter{}, store.MaxLimit, "")
	if err != nil || len(page.Items) != 160 {
		t.Errorf("%d entries (%v), want 160", len(page.Items), err)
	}
}

func TestWhatIsOldGoes(t *testing.T) {
	l, db := setup(t)
	at := start
	l.now = func() time.Time { return at }
	ids := func() (ids []int64) {
		t.Helper()
		page, err := l.List(t.Context(), Filter{}, 0, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Items {
			ids = append(ids, e.ID)
		}
		return ids
	}
	day := 24 * time.Hour
	record(t, l, Entry{Action: "first"})
	at = at.Add(400 * day)
	record(t, l, Entry{Action: "second"})
	if got := ids(); !reflect.DeepEqual(got, []int64{2, 1}) {
		t.Fatalf("kept for ever: %v", got)
	}
	l.keep = 400 * day
	at = at.Add(time.Second)
	record(t, l, Entry{Action: "third"})
	if got := ids(); !reflect.DeepEqual(got, []int64{3, 2}) {
		t.Errorf("kept for 400 days: %v; want all but the first", got)
	}
	at = at.Add(time.Second)
	l.keep, l.swept = time.Second, time.Time{}
	record(t, l, Entry{Action: "fourth"}) // and logs that the third did not go
	if got := ids(); !reflect.DeepEqual(got, []int64{4, 3, 2}) {
		t.Errorf("the database gave up what is not thirty days old: %v", got)
	}
	at = at.Add(30*day - time.Minute)
	record(t, l, Entry{Action: "fifth"})
	if _, err := db.ExecContext(t.Context(), "DELETE FROM audit WHERE id = 4"); err == nil {
		t.Error("an entry went before its thirty days")
	}
	at = at.Add(2 * time.Minute)
	record(t, l, Entry{Action: "sixth"})
	if _, err := db.ExecContext(t.Context(), "DELETE FROM audit WHERE id = 4"); err != nil {
		t.Errorf("an entry after its thirty days: %v", err)
	}
}
