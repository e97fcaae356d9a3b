package pool

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/store"
)

func TestRecordsInTheStore(t *testing.T) {
	t.Parallel()
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "carrel.db"), testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	_, err = db.Bun().NewRaw("INSERT INTO users (id, username, email, password_hash, role, active, language, created_at) VALUES (7, 'ana', '', '', 'user', true, 'en', ?)", time.Now().UTC()).Exec(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := NewRecords(db.Bun())
	want := Record{UserID: 7, ID: "i-abc", Name: "ana", Language: "en", Workspace: "/w/user-7", CreatedAt: time.Unix(1000, 0).UTC(),
		LastActivityAt: time.Unix(2000, 0).UTC(), StorageBytes: 5, Inodes: 6}
	for range 2 {
		if err := r.Keep(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		want.StorageBytes++
	}
	want.StorageBytes--
	got, err := r.Hibernated(t.Context())
	if err != nil || len(got) != 1 {
		t.Fatalf("got %+v, %v", got, err)
	}
	got[0].CreatedAt, got[0].LastActivityAt = got[0].CreatedAt.UTC(), got[0].LastActivityAt.UTC()
	if got[0] != want {
		t.Fatalf("got %+v; want %+v", got[0], want)
	}
	for range 2 {
		if err := r.Forget(t.Context(), 7); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := r.Hibernated(t.Context()); err != nil || len(got) != 0 {
		t.Fatalf("got %+v, %v", got, err)
	}
}
