package api

import (
	"net/http"

	"github.com/klauspost/compress/gzhttp"
)

// compressing is a mux whose JSON answers are compressed for who takes it. What reads and writes by itself stands on
// the mux below: files keep their length and ranges, and a stream is not held back.
type compressing struct{ *http.ServeMux }

// The noise hides from who can only count bytes whether what they guessed stands in an answer (BREACH). A cookie does
// not come with a request of another site's anyway.
var compressed = func() func(http.Handler) http.HandlerFunc {
	wrap, err := gzhttp.NewWrapper(gzhttp.ContentTypes([]string{"application/json"}), gzhttp.EnableZstd(false), gzhttp.RandomJitter(32, 0, false))
	if err != nil {
		panic(err) // an option that does not exist
	}
	return wrap
}()

// HandleFunc is for huma.
func (m compressing) HandleFunc(pattern string, handle func(http.ResponseWriter, *http.Request)) {
	m.ServeMux.HandleFunc(pattern, compressed(http.HandlerFunc(handle)))
}
