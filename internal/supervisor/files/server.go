package files

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// idleTimeout is how long a request may wait for the next bytes of its body, or for its reader.
const idleTimeout = time.Minute

// maxRequestBytes bounds a JSON body.
const maxRequestBytes = 64 << 10

// Server serves one workspace.
type Server struct {
	root *os.Root
	home string // as the person sees it; for absolute paths only
	log  *slog.Logger
	mux  *http.ServeMux

	// edit is held from the check of a precondition to the rename that relies on it.
	edit sync.Mutex

	uploads uploads

	most int // entries of one folder that an archive holds
}

// New returns the handler of everything under protocol.FilesPrefix.
func New(root *os.Root, home string, log *slog.Logger) *Server {
	s := &Server{root: root, home: home, log: log, mux: http.NewServeMux(), most: maxFolderEntries}
	for pattern, f := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET ":                       s.get,
		"DELETE ":                    s.remove,
		"GET /content":               s.getContent,
		"PUT /content":               s.putContent,
		"POST /folder":               s.makeFolder,
		"POST /move":                 s.move,
		"GET /trash":                 s.listTrash,
		"POST /trash":                s.trash,
		"POST /trash/restore":        s.restore,
		"GET /search":                s.search,
		"GET /grep":                  s.grep,
		"GET /archive":               s.archive,
		"POST /uploads":              s.beginUpload,
		"GET /uploads/{id}":          s.headUpload,
		"PATCH /uploads/{id}":        s.patchUpload,
		"DELETE /uploads/{id}":       s.endUpload,
		"GET /projects":              s.listProjects,
		"POST /projects":             s.makeProject,
		"GET /projects/{name}":       s.getProject,
		"PATCH /projects/{name}":     s.renameProject,
		"DELETE /projects/{name}":    s.removeProject,
		"GET /transcripts":           s.listTranscripts,
		"GET /transcripts/{id}":      s.getTranscript,
		"DELETE /transcripts/{id}":   s.removeTranscript,
		"GET /transcripts/{id}/rows": s.getRows,
		"GET /transcripts/{id}/held": s.heldPrompts,
	} {
		method, path, _ := strings.Cut(pattern, " ")
		s.mux.HandleFunc(method+" "+protocol.FilesPrefix+path, func(w http.ResponseWriter, r *http.Request) {
			if err := f(w, r); err != nil {
				s.problem(w, r, err)
			}
		})
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.problem(w, r, fault.New(fault.NotFound, "There is no such address."))
	})
	return s
}

// ServeHTTP bounds every read and write: who stops sending or reading is cut off.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := http.NewResponseController(w)
	r.Body = &patientBody{ReadCloser: r.Body, control: c}
	s.mux.ServeHTTP(&patientWriter{ResponseWriter: w, control: c}, r)
}

type patientBody struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b *patientBody) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(time.Now().Add(idleTimeout)) // as in Write
	return b.ReadCloser.Read(p)
}

type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (w *patientWriter) Write(b []byte) (int, error) {
	// Where there are no deadlines to set (a test's recorder) there is nobody to wait for.
	_ = w.control.SetWriteDeadline(time.Now().Add(idleTimeout))
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// statuses of the codes that this package answers with.
var statuses = map[fault.Code]int{
	fault.NotFound:           http.StatusNotFound,
	fault.Invalid:            http.StatusUnprocessableEntity,
	fault.Conflict:           http.StatusConflict,
	fault.Forbidden:          http.StatusForbidden,
	fault.TooLarge:           http.StatusRequestEntityTooLarge,
	fault.PreconditionFailed: http.StatusPreconditionFailed,
	fault.QuotaExceeded:      http.StatusInsufficientStorage,
	fault.Internal:           http.StatusInternalServerError,
}

// problem is the one place where an error becomes an answer.
func (s *Server) problem(w http.ResponseWriter, r *http.Request, err error) {
	f := explain(err)
	status := statuses[f.Code]
	if status == 0 {
		status = http.StatusInternalServerError
	}
	if status == http.StatusInternalServerError {
		s.log.Error("file request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	h := w.Header()
	for _, k := range []string{"Etag", "Last-Modified", "Content-Length", "Accept-Ranges", "Location"} {
		h.Del(k)
	}
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct { // the reader is gone, or reads
		Title  string        `json:"title"`
		Status int           `json:"status"`
		Detail string        `json:"detail"`
		Code   fault.Code    `json:"code"`
		Errors []fault.Field `json:"errors,omitempty"`
		Said   []fault.Text  `json:"said"` // for the server, which says it in the reader's language
	}{http.StatusText(status), status, f.Detail, f.Code, f.Fields, f.Texts()})
}

func answer(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the reader is gone, or reads
	return nil
}

func decode(w http.ResponseWriter, r *http.Request, v any) error {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequestBytes)).Decode(v); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return fault.Wrap(err, fault.TooLarge, "The request is too large.")
		}
		return fault.Wrap(err, fault.Invalid, "The request is not the JSON that this address takes.")
	}
	return nil
}
