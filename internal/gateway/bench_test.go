package gateway

import (
	"io"
	"net/http"
	"testing"

	"golang.org/x/time/rate"
)

// BenchmarkFirstByte compares the time to the first byte of a stream straight
// from the upstream with that through the gateway.
func BenchmarkFirstByte(b *testing.B) {
	up := serve(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		sse(w, messageStart, messageDelta)
	})
	run := func(b *testing.B, c *http.Client, host string) {
		first := make([]byte, 1)
		for b.Loop() {
			r := prompt(b, true)
			r.URL.Host = host
			res, err := c.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(res.Body, first); err != nil || res.StatusCode != http.StatusOK {
				b.Fatalf("%d, %v", res.StatusCode, err)
			}
			b.StopTimer()
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			b.StartTimer()
		}
	}
	b.Run("direct", func(b *testing.B) {
		c := &http.Client{Transport: &http.Transport{DisableCompression: true}}
		defer c.CloseIdleConnections()
		run(b, c, up[len("http://"):])
	})
	h := setup(b, up, testKey, func(o *Options) { o.requestsPerSec = rate.Inf })
	unlimited := Limit{UserID: 7}
	if err := h.client.SetLimits(b.Context(), []Limit{unlimited}); err != nil {
		b.Fatal(err)
	}
	c := h.http(b)
	b.Run("through", func(b *testing.B) { run(b, c, "carrel") })
}
