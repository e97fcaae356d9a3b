package gateway

import (
	"compress/gzip"
	"errors"
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
	// left is told when the client takes no more of an answer that is read to
	// its end; nil: the first write that fails ends it.
	left    func()
	skipped int64 // bytes that nobody took
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
	n, err := w.send(p)
	if w.tap != nil {
		w.tap(p) // all of it: the API has made it, whether the client still reads or not
	}
	if err == nil || w.left == nil {
		return n, err
	}
	w.left()
	if w.skipped += int64(len(p)); w.skipped > maxRestBytes {
		return n, err
	}
	return len(p), nil
}

func (w *meteredWriter) send(p []byte) (int, error) {
	if w.skipped > 0 {
		return 0, errClientLeft
	}
	_ = w.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	n, err := w.ResponseWriter.Write(p)
	if err == nil {
		err = w.control.Flush()
	}
	return n, err
}

var errClientLeft = errors.New("the client left")

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
