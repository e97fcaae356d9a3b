package files

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
	"github.com/carrel-dev/carrel/internal/workspace"
)

// transcripts is where the CLI keeps conversations: a folder for each working folder, a file for each session.
const transcripts = ".claude/projects"

// sessionState are the folders in which the CLI keeps more of a session, by its id.
var sessionState = []string{".claude/file-history", ".claude/session-env", ".claude/tasks"}

// Bounds of what is read: transcripts grow to many megabytes, and a person may put anything there.
const (
	maxTranscripts     = 1000
	maxTranscriptDirs  = 2000
	transcriptHead     = 256 << 10
	transcriptTail     = 32 << 10
	maxTranscriptTitle = 120
)

var sessionID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

type transcriptFile struct {
	protocol.Transcript
	path string
}

func (s *Server) listTranscripts(w http.ResponseWriter, r *http.Request) error {
	found, err := s.transcriptFiles("")
	if err != nil {
		return err
	}
	slices.SortFunc(found, func(a, b transcriptFile) int {
		return cmp.Or(b.ModifiedAt.Compare(a.ModifiedAt), strings.Compare(a.SessionID, b.SessionID))
	})
	res := protocol.TranscriptsResponse{Transcripts: []protocol.Transcript{}}
	for _, f := range found[:min(len(found), maxTranscripts)] {
		s.describe(&f)
		res.Transcripts = append(res.Transcripts, f.Transcript)
	}
	return answer(w, http.StatusOK, res)
}

func (s *Server) getTranscript(w http.ResponseWriter, r *http.Request) error {
	found, err := s.transcriptFiles(r.PathValue("id"))
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return noTranscript()
	}
	s.describe(&found[0])
	return answer(w, http.StatusOK, found[0].Transcript)
}

func noTranscript() error { return fault.New(fault.NotFound, "There is no such conversation.") }

// removeTranscript removes a session's file, what lies beside it, and what else the CLI keeps by its id.
func (s *Server) removeTranscript(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	found, err := s.transcriptFiles(id)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return noTranscript()
	}
	var paths []string
	for _, f := range found {
		paths = append(paths, f.path, strings.TrimSuffix(f.path, ".jsonl"))
	}
	for _, dir := range sessionState {
		paths = append(paths, path.Join(dir, id))
	}
	for _, p := range paths {
		if err := s.removeAll(r.Context(), p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// transcriptFiles finds the transcripts of one session, or of all.
func (s *Server) transcriptFiles(id string) ([]transcriptFile, error) {
	if id != "" && !sessionID.MatchString(id) {
		return nil, nil
	}
	dirs, err := s.names(transcripts, "", maxTranscriptDirs)
	if err != nil {
		if explain(err).Code == fault.NotFound {
			return nil, nil // Claude has not run here yet
		}
		return nil, err
	}
	var out []transcriptFile
	for _, dir := range dirs {
		names := []string{id + ".jsonl"}
		if id == "" {
			if names, err = s.names(path.Join(transcripts, dir), "", maxTranscriptDirs); err != nil {
				continue // not a folder, or closed
			}
		}
		for _, name := range names {
			f := transcriptFile{path: path.Join(transcripts, dir, name)}
			var ok bool
			if f.SessionID, ok = strings.CutSuffix(name, ".jsonl"); !ok || !sessionID.MatchString(f.SessionID) {
				continue
			}
			info, err := s.root.Lstat(f.path)
			if err != nil || !info.Mode().IsRegular() {
				continue
			}
			f.ModifiedAt, f.SizeBytes = info.ModTime().UTC(), info.Size()
			out = append(out, f)
		}
	}
	return out, nil
}

// describe finds project and title in a transcript. One that tells neither has none.
func (s *Server) describe(t *transcriptFile) {
	f, info, err := s.openFile(t.path)
	if err != nil {
		return
	}
	defer f.Close()
	var d description
	d.read(io.NewSectionReader(f, 0, transcriptHead))
	if from := max(0, info.Size()-transcriptTail); from > 0 {
		d.read(io.NewSectionReader(f, from, transcriptTail)) // names are written again at the end; the last holds
	}
	t.Title = oneLine(cmp.Or(d.customTitle, d.aiTitle, d.summary, d.prompt))
	if dir, ok := strings.CutPrefix(path.Clean(d.cwd), path.Join(s.home, workspace.Projects)+"/"); ok {
		name, _, _ := strings.Cut(dir, "/")
		if workspace.CheckProject(name) == nil {
			t.Project = name
		}
	}
}

// description is what rows of a transcript tell about it.
type description struct{ customTitle, aiTitle, summary, prompt, cwd string }

func (d *description) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 16<<10), transcriptHead+1)
	for lines.Scan() {
		var row struct {
			Type        string `json:"type"`
			CWD         string `json:"cwd"`
			CustomTitle string `json:"customTitle"`
			AITitle     string `json:"aiTitle"`
			Summary     string `json:"summary"`
			Meta        bool   `json:"isMeta"`
			Sidechain   bool   `json:"isSidechain"`
			Message     struct {
				Content json.RawMessage `json:"content"`
			} `json:"message"`
		}
		b := lines.Bytes()
		if !bytes.HasPrefix(b, []byte("{")) || json.Unmarshal(b, &row) != nil {
			continue // cut by a bound, or not the CLI's
		}
		if d.cwd == "" {
			d.cwd = row.CWD
		}
		switch row.Type {
		case "custom-title":
			d.customTitle = row.CustomTitle
		case "ai-title":
			d.aiTitle = row.AITitle
		case "summary":
			d.summary = row.Summary
		case "user":
			if d.prompt == "" && !row.Meta && !row.Sidechain {
				d.prompt = promptText(row.Message.Content)
			}
		}
	}
}

// promptText is the first text of a prompt that a person wrote; what the CLI wrote in their name begins with a tag.
func promptText(content json.RawMessage) string {
	var text string
	var blocks []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if json.Unmarshal(content, &text) != nil && json.Unmarshal(content, &blocks) == nil {
		for _, b := range blocks {
			if b.Type == "text" && strings.TrimSpace(b.Text) != "" {
				text = b.Text
				break
			}
		}
	}
	text = strings.TrimSpace(text)
	for _, tag := range []string{"<command-", "<local-command", "<system-reminder"} {
		if strings.HasPrefix(text, tag) {
			return ""
		}
	}
	return text
}

// oneLine makes a title of a text: its first line, printable, cut to a length.
func oneLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	var b strings.Builder
	n := 0
	for _, r := range s {
		if !unicode.IsPrint(r) {
			continue
		}
		if n++; n > maxTranscriptTitle {
			b.WriteRune('…')
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}
