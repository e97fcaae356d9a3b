package timetable

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/robfig/cron/v3"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func line(t *testing.T, at string, ahead time.Duration, users ...string) Line {
	s, err := cron.ParseStandard(at)
	if err != nil {
		t.Fatal(err)
	}
	return Line{Schedule: s, Users: users, Ahead: ahead}
}

// TestRun: each line's users are started ahead once for each of its times, and not for one that is past.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // from midnight UTC, 2000-01-01, a Saturday
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		ids := map[string]int64{"ana": 1, "bob": 2}
		began := time.Now()
		o := Options{
			Lines: []Line{line(t, "TZ=UTC 0 9 * * 1-5", 10*time.Minute, "ana", "nobody", "bob"), line(t, "TZ=UTC 5 0 * * *", 30*time.Minute, "ana")},
			UserID: func(_ context.Context, name string) (int64, error) {
				if ids[name] == 0 {
					return 0, errors.New("no such user")
				}
				return ids[name], nil
			},
			Warm: func(id int64) {
				got = append(got, time.Now().UTC().Format("Mon 15:04 ")+string('0'+rune(id)))
			},
			Log: slog.New(slog.DiscardHandler),
		}
		done := make(chan struct{})
		go func() { defer close(done); Run(ctx, o) }()
		time.Sleep(60 * time.Hour)
		cancel()
		<-done
		want := []string{"Sat 00:00 1", // began in the half hour before
			"Sat 23:35 1", "Sun 23:35 1", "Mon 08:50 1", "Mon 08:50 2"}
		if !slices.Equal(got, want) {
			t.Errorf("from %s: got %v; want %v", began.UTC(), got, want)
		}
	})
}

func TestDue(t *testing.T) {
	t.Parallel()
	nine := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	l := line(t, "TZ=UTC 0 9 * * *", 10*time.Minute, "ana")
	for _, tc := range []struct {
		last, now time.Duration // from nine
		want      bool
	}{
		{-11 * time.Minute, -10*time.Minute - 1, false},
		{-11 * time.Minute, -10 * time.Minute, true},
		{-10 * time.Minute, -9 * time.Minute, false},
		{-11 * time.Minute, 5 * time.Minute, true},
		{0, time.Hour, false},
	} {
		if got := due(l, nine.Add(tc.last), nine.Add(tc.now)); got != tc.want {
			t.Errorf("from %s to %s: %v", tc.last, tc.now, got)
		}
	}
}
