package gateway

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"time"
)

// meteredWriter sends every piece on at once, and only then shows it to the
// meter.
type meteredWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	status  int
	tap     func([]byte)
}

func (w *meteredWriter) WriteHeader(status int) {
	if status >= http.StatusOK && w.status == 0 {
		w.status = status
	}
	_ = w.control.SetWriteDeadline(time.Now().Add(writeTimeout)) // the write below fails if the connection is gone
	w.ResponseWriter.WriteHeader(status)
}

func (w *meteredWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	_ = w.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	n, err := w.ResponseWriter.Write(p)
	if err == nil {
		err = w.control.Flush()
	}
	if w.tap != nil {
		w.tap(p) // all of it: the API has made it, whether the client still reads or not
	}
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *meteredWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// decode undoes an encoding that was not asked for.
func decode(res *http.Response, encoding string) error {
	if !strings.EqualFold(encoding, "gzip") && !strings.EqualFold(encoding, "x-gzip") {
		return errEncoding
	}
	res.Body = &gunzip{body: res.Body}
	res.Header.Del("Content-Encoding")
	res.Header.Del("Content-Length")
	res.ContentLength = -1
	return nil
}

// gunzip begins when it is first read: its head may come late.
type gunzip struct {
	body io.ReadCloser
	zip  *gzip.Reader
}

func (g *gunzip) Read(p []byte) (int, error) {
	if g.zip == nil {
		z, err := gzip.NewReader(g.body)
		if err != nil {
			return 0, err
		}
		g.zip = z
	}
	return g.zip.Read(p)
}

func (g *gunzip) Close() error { return g.body.Close() }
