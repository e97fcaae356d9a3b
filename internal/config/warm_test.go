package config

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWarm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0 9 * * 1-5 / ana bob / 10m":                  "0 9 * * 1-5 / ana bob / 10m",
		"*/5 9,10 * * mon / ana; @daily / bob / 90s ;": "*/5 9,10 * * mon / ana / 10m; @daily / bob / 1m30s",
		"": "",
	} {
		list, err := parseWarm(text)
		if got := showWarm(list); err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"0 9 * * 1-5", "0 9 * * 1-5 / ", "61 9 * * * / ana", "nine / ana", "0 9 * * * / ana / later", "0 9 * * * / ana / 1000h", "0 9 * * * / a / 1m / b"} {
		if list, err := parseWarm(text); err == nil {
			t.Errorf("%q: got %v; want an error", text, list)
		}
	}
	list, err := parseWarm("30 9 * * 1-5 / ana")
	if err != nil {
		t.Fatal(err)
	}
	friday := time.Date(2026, 11, 27, 10, 0, 0, 0, time.Local)
	if next := list[0].Schedule.Next(friday); !next.Equal(time.Date(2026, 11, 30, 9, 30, 0, 0, time.Local)) {
		t.Errorf("after %s comes %s", friday, next)
	}
}

func TestWarmInAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "carrel.yaml")
	load := func(text string) (Config, error) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return Load(context.Background(), Sources{File: file})
	}
	cfg, err := load("warm:\n  - {at: '0 9 * * 1-5', users: [ana, bob], ahead: 15m}\n  - '0 14 * * 1,3 / carl'\n")
	if err != nil {
		t.Fatal(err)
	}
	want := "0 9 * * 1-5 / ana bob / 15m; 0 14 * * 1,3 / carl / 10m"
	if got := showWarm(cfg.Warm); got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	var told string
	for _, e := range cfg.Environ() {
		if v, ok := strings.CutPrefix(e, "CARREL_WARM="); ok {
			told = v
		}
	}
	again, err := Load(context.Background(), Sources{NoFile: true, Environ: []string{"CARREL_WARM=" + told}})
	if err != nil || showWarm(again.Warm) != want {
		t.Errorf("through the environment: %q, %v", showWarm(again.Warm), err)
	}
	for _, text := range []string{"warm: [{at: '0 9 * * *'}]", "warm: [{at: '0 9 * * *', users: [ana], when: x}]", "warm: [7]", "warm: [{at: '0 9 * * *', users: [7]}]"} {
		if _, err := load(text); err == nil || !strings.Contains(err.Error(), "warm") {
			t.Errorf("%s: got %v", text, err)
		}
	}
}
