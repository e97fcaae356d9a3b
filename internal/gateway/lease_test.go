package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestBudget(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, jsonAnswer) // 100 tokens
	})
	h := setup(t, up, testKey)
	st, err := h.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lease := func(tokens, asOf int64, expires time.Time) {
		t.Helper()
		l := Limit{UserID: 7, RemainingTokens: &tokens, Spool: st.Spool, AsOfSeq: asOf, ExpiresAt: expires, Budget: "day",
			BudgetTokens: 1234, ResetsAt: time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC)}
		if tokens < 0 {
			l.RemainingTokens = nil
		}
		if err := h.client.SetLimits(t.Context(), []Limit{l}); err != nil {
			t.Fatal(err)
		}
	}
	answered := int64(0)
	expect := func(status int, retry, text string) {
		t.Helper()
		got, header, body := h.ask(t, prompt(t, false))
		if got != status || header.Get("X-Should-Retry") != retry || !strings.Contains(body, text) {
			t.Fatalf("got %d, x-should-retry %q, %s; want %d with %q", got, header.Get("X-Should-Retry"), body, status, text)
		}
		if status == http.StatusOK { // it is counted just after its last byte
			answered++
			h.record(t, answered)
		}
	}
	soon := time.Now().Add(time.Hour)
	expect(200, "", "claude-real") // nobody has said anything yet
	lease(150, 0, soon)            // counted before the first request: 50 are left
	expect(200, "", "claude-real")
	expect(429, "false", "Today's token budget of 1234 tokens is used up. It starts anew at 2030-01-02 00:00 UTC")
	// The limit survives a restart while the server is away.
	h.stop()
	h.start(t)
	expect(429, "false", "used up")
	lease(1, 0, time.Now().Add(-time.Second))
	expect(503, "true", "does not know your token budget")
	lease(100, 2, soon) // the server has both records in its figure
	expect(200, "", "claude-real")
	expect(429, "false", "used up")
	lease(-1, 0, soon)
	expect(200, "", "claude-real")
	if r := h.record(t, 4); r.Total() != 100 {
		t.Fatalf("recorded %+v; refusals must not be", r)
	}
	if err := h.client.Ack(t.Context(), st.Spool, 3); err != nil {
		t.Fatal(err)
	}
	res, err := h.client.Records(t.Context(), RecordsRequest{Spool: "of another time", After: 99})
	if err != nil || len(res.Records) != 1 || res.Records[0].Seq != 4 || res.Spool != st.Spool {
		t.Fatalf("got %+v, %v; want what is left of this spool", res, err)
	}
	if err := h.client.Ack(t.Context(), "of another time", 4); err == nil {
		t.Fatal("an acknowledgement of another spool was taken")
	}
}
