package files

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
	"github.com/carrel-dev/carrel/internal/workspace"
)

// Uploads speak tus 1.0.0, its core and creation, creation-with-upload, expiration and termination: what broke off goes
// on where it stood. The bytes lie in the person's own volume from the first one on, in a folder an upload under
// uploadFolder, and get their name with the last.
const (
	tusVersion = "1.0.0"
	maxUploads = 1000 // unfinished ones of a person
	tusBytes   = "application/offset+octet-stream"

	uploadData   = "data"
	uploadTarget = "target.json"
)

// What to do where the target's name is taken.
const (
	existsRefuse  = "refuse"
	existsReplace = "replace"
	existsKeep    = "keep" // both: the new one gets a number
)

// upload is what is kept of one. The person can write it, so it is checked again when it is read.
type upload struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	Exists string `json:"exists"`
}

func (s *Server) beginUpload(w http.ResponseWriter, r *http.Request) error {
	if err := tusRequest(w, r); err != nil {
		return err
	}
	u, err := s.newUpload(r.Header)
	if err != nil {
		return err
	}
	s.sweep(r.Context(), uploadFolder, uploadAge)
	if names, err := s.names(uploadFolder, "", maxUploads); err == nil && len(names) == maxUploads {
		return fault.New(fault.QuotaExceeded, "%d uploads are unfinished. Let some end, or cancel them, and try again.", maxUploads)
	}
	if err := s.checkRoom(u.Size); err != nil {
		return err
	}
	id := rand.Text()
	if err := s.keepUpload(id, u); err != nil {
		_ = s.dropUpload(r.Context(), id) // the error that led here is the one to tell
		return err
	}
	w.Header().Set("Location", protocol.FilesPrefix+"/uploads/"+id)
	err = s.receive(w, r, id, 0, http.StatusCreated)
	if fault.CodeOf(err) == fault.TooLarge {
		_ = s.dropUpload(r.Context(), id) // else its day comes
	}
	return err
}

func (s *Server) headUpload(w http.ResponseWriter, r *http.Request) error {
	if err := tusRequest(w, r); err != nil {
		return err
	}
	id := r.PathValue("id")
	release, err := s.uploads.take(r.Context(), id, func() {})
	if err != nil {
		return err
	}
	defer release()
	u, offset, err := s.findUpload(id)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Upload-Offset", strconv.FormatInt(offset, 10))
	h.Set("Upload-Length", strconv.FormatInt(u.Size, 10))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	return nil
}

func (s *Server) patchUpload(w http.ResponseWriter, r *http.Request) error {
	if err := tusRequest(w, r); err != nil {
		return err
	}
	if r.Header.Get("Content-Type") != tusBytes {
		return fault.InvalidField("header.Content-Type", "The body must be %s.", tusBytes)
	}
	offset, err := strconv.ParseInt(r.Header.Get("Upload-Offset"), 10, 64)
	if err != nil || offset < 0 {
		return fault.InvalidField("header.Upload-Offset", "Say where the bytes belong.")
	}
	return s.receive(w, r, r.PathValue("id"), offset, http.StatusNoContent)
}

func (s *Server) endUpload(w http.ResponseWriter, r *http.Request) error {
	if err := tusRequest(w, r); err != nil {
		return err
	}
	id := r.PathValue("id")
	release, err := s.uploads.take(r.Context(), id, func() {})
	if err != nil {
		return err
	}
	defer release()
	if _, _, err := s.findUpload(id); err != nil {
		return err
	}
	if err := s.dropUpload(r.Context(), id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// tusRequest sets what every answer has, and refuses another version of the protocol.
func tusRequest(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Tus-Resumable", tusVersion)
	if r.Header.Get("Tus-Resumable") != tusVersion {
		w.Header().Set("Tus-Version", tusVersion)
		return fault.New(fault.PreconditionFailed, "Uploads take version %s of the tus protocol. Send the header Tus-Resumable.", tusVersion)
	}
	return nil
}

// newUpload reads what a client wants to send, and refuses now what could not be kept in the end.
func (s *Server) newUpload(h http.Header) (upload, error) {
	size, err := strconv.ParseInt(h.Get("Upload-Length"), 10, 64)
	if err != nil || size < 0 {
		return upload{}, fault.InvalidField("header.Upload-Length", "Say how many bytes there are.")
	}
	u := upload{Size: size, Exists: existsRefuse}
	for pair := range strings.SplitSeq(h.Get("Upload-Metadata"), ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), " ")
		b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
		if err != nil {
			return upload{}, fault.InvalidField("header.Upload-Metadata", "The values must be Base64.")
		}
		switch key {
		case "path":
			u.Path = string(b)
		case "exists":
			u.Exists = string(b)
		}
	}
	if u.Path == "" {
		return upload{}, fault.InvalidField("header.Upload-Metadata", "Give the path of the file.")
	}
	if u.Path, err = s.newPath("header.Upload-Metadata", u.Path); err != nil {
		return upload{}, err
	}
	if _, err := s.root.Lstat(u.Path); leadsOut(err) { // over an absolute link: it goes where that leads now
		dir, err := s.follow(path.Dir(u.Path))
		if err != nil {
			return upload{}, err
		}
		u.Path = path.Join(dir, path.Base(u.Path))
	}
	if err := s.checkUpload(u); err != nil {
		return upload{}, err
	}
	info, err := s.root.Lstat(u.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return u, nil
	case err != nil:
		return upload{}, err
	case u.Exists == existsRefuse, u.Exists == existsReplace && !info.Mode().IsRegular():
		return upload{}, fs.ErrExist
	}
	return u, nil
}

func (s *Server) checkUpload(u upload) error {
	if u.Exists != existsRefuse && u.Exists != existsReplace && u.Exists != existsKeep || u.Size < 0 {
		return fault.InvalidField("header.Upload-Metadata", "exists must be refuse, replace or keep.")
	}
	if rel, err := workspace.Resolve(s.home, u.Path); err != nil || rel != u.Path || rel == "." {
		return fault.InvalidField("header.Upload-Metadata", "Give the path of the file.")
	}
	return fault.At("header.Upload-Metadata", workspace.CheckNew(u.Path))
}

// checkRoom refuses what cannot fit, before anybody sends it. Whether it fits in the end shows in the writing.
func (s *Server) checkRoom(size int64) error {
	dir, err := s.openFolder(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &st); err != nil {
		return os.NewSyscallError("statfs", err)
	}
	if free := int64(st.Bavail) * st.Bsize; size > free { //nolint:gosec // a volume is smaller than 8 EiB
		return fault.New(fault.QuotaExceeded, "The file has %s, and your storage has %s left. Delete files you do not need, or ask an administrator for more space, and try again.", fault.Size(size), fault.Size(free))
	}
	return nil
}

func (s *Server) keepUpload(id string, u upload) error {
	place := path.Join(uploadFolder, id)
	if err := s.root.MkdirAll(place, 0o755); err != nil {
		return err
	}
	b, err := json.Marshal(u)
	if err != nil {
		return err
	}
	if err := s.root.WriteFile(path.Join(place, uploadTarget), b, 0o644); err != nil {
		return err
	}
	return s.root.WriteFile(path.Join(place, uploadData), nil, 0o644)
}

func (s *Server) dropUpload(ctx context.Context, id string) error {
	return s.removeAll(ctx, path.Join(uploadFolder, id))
}

// findUpload gives an upload and how much of it there is.
func (s *Server) findUpload(id string) (upload, int64, error) {
	missing := func(err error) (upload, int64, error) {
		return upload{}, 0, fault.Wrap(err, fault.NotFound, "There is no such upload. It may have ended, or have waited for more than a day.")
	}
	if id == "" || strings.ContainsAny(id, "./") {
		return missing(fs.ErrNotExist)
	}
	f, _, err := s.openFile(path.Join(uploadFolder, id, uploadTarget))
	if err != nil {
		return missing(err)
	}
	defer f.Close()
	var u upload
	if err := json.NewDecoder(io.LimitReader(f, maxRequestBytes)).Decode(&u); err != nil {
		return missing(err)
	}
	if err := s.checkUpload(u); err != nil {
		return missing(err)
	}
	info, err := s.root.Lstat(path.Join(uploadFolder, id, uploadData))
	if err != nil || !info.Mode().IsRegular() || info.Size() > u.Size {
		return missing(errors.Join(err, fs.ErrInvalid))
	}
	return u, info.Size(), nil
}

// receive appends the request's body to an upload. What has come stays, also when the body breaks off.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, id string, offset int64, status int) error {
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	control := http.NewResponseController(w)
	release, err := s.uploads.take(r.Context(), id, func() {
		stop()
		_ = control.SetReadDeadline(time.Now()) // where there are none, there is nobody to wait for
	})
	if err != nil {
		return err
	}
	defer release()
	u, have, err := s.findUpload(id)
	if err != nil {
		return err
	}
	if have != offset {
		return fault.New(fault.Conflict, "The upload stands at another place. Ask where, and go on there.")
	}
	if r.ContentLength > u.Size-have {
		return tooMany()
	}
	n, err := s.appendUpload(ctx, id, r.Body, have, u.Size)
	have += n
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Wrap(err, fault.QuotaExceeded, "Your storage is full. What came is kept for a day: delete files you do not need and go on, or cancel the upload.")
	}
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Upload-Offset", strconv.FormatInt(have, 10))
	if have == u.Size {
		p, err := s.finishUpload(r.Context(), id, u)
		if err != nil {
			return err
		}
		h.Set("Upload-Path", url.PathEscape(p))
	} else {
		h.Set("Upload-Expires", time.Now().Add(uploadAge).UTC().Format(http.TimeFormat))
	}
	w.WriteHeader(status)
	return nil
}

func tooMany() error { return fault.New(fault.TooLarge, "There are more bytes than were announced.") }

// appendUpload appends a body to the have bytes that are there. One that leads beyond size leaves nothing.
func (s *Server) appendUpload(ctx context.Context, id string, body io.Reader, have, size int64) (n int64, err error) {
	place := path.Join(uploadFolder, id)
	f, err := s.root.OpenFile(path.Join(place, uploadData), os.O_WRONLY|os.O_APPEND|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	defer func() {
		if cerr := f.Close(); err == nil { // some file systems tell of a full disk only here
			err = cerr
		}
	}()
	now := time.Now()
	_ = s.root.Chtimes(place, now, now) // its day begins anew; if not, it ends earlier
	buf := make([]byte, 64<<10)
	for ctx.Err() == nil {
		got, rerr := body.Read(buf)
		if int64(got) > size-have-n {
			return 0, errors.Join(tooMany(), f.Truncate(have))
		}
		if got > 0 {
			wrote, err := f.Write(buf[:got])
			n += int64(wrote)
			if err != nil {
				return n, err
			}
		}
		if errors.Is(rerr, io.EOF) {
			return n, f.Sync()
		}
		if rerr != nil {
			return n, fault.Wrap(rerr, fault.Invalid, "The content did not come to its end. What came is kept; go on from there.")
		}
	}
	return n, fault.Wrap(ctx.Err(), fault.Conflict, "The upload goes on over another connection.")
}

// finishUpload gives the bytes their name, and says which.
func (s *Server) finishUpload(ctx context.Context, id string, u upload) (string, error) {
	s.edit.Lock()
	defer s.edit.Unlock()
	data := path.Join(uploadFolder, id, uploadData)
	if err := s.root.MkdirAll(path.Dir(u.Path), 0o755); err != nil {
		return "", err
	}
	to := u.Path
	if info, err := s.root.Lstat(to); err == nil && u.Exists == existsReplace && info.Mode().IsRegular() {
		_ = s.root.Chmod(data, info.Mode().Perm()) // it is to be what it was, where that can be
		if err := s.root.Rename(data, to); err != nil {
			return "", err
		}
	} else if to, err = s.renameBeside(data, to); err != nil {
		return "", err
	}
	return to, s.dropUpload(ctx, id)
}

// renameBeside is rename, but that a name which is taken gets a number: nothing is ever lost by it.
func (s *Server) renameBeside(from, to string) (string, error) {
	free := to
	for n := 2; ; n++ {
		err := s.rename(from, free)
		if err == nil || !errors.Is(err, fs.ErrExist) || n > maxLimit {
			return free, err
		}
		free = numbered(to, n)
	}
}

// numbered makes "plan.md" into "plan (2).md". A name that would be too long with it loses letters before it.
func numbered(p string, n int) string {
	dir, base := path.Split(p)
	ext := path.Ext(base)
	if base == ext {
		ext = "" // a hidden file
	}
	stem, end := strings.TrimSuffix(base, ext), fmt.Sprintf(" (%d)%s", n, ext)
	for len(stem)+len(end) > workspace.MaxNameBytes && stem != "" {
		_, size := utf8.DecodeLastRuneInString(stem)
		stem = stem[:len(stem)-size]
	}
	return dir + stem + end
}
