package files

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/workspace"
)

// maxHashedBytes is the size up to which a file's tag is that of its bytes, and what is sent is what was tagged.
// Larger ones are tagged by identity, size and times, and streamed.
const maxHashedBytes = 1 << 20

// openFile opens a regular file. Opening without waiting keeps a pipe without a writer from holding the helper.
func (s *Server) openFile(rel string) (*os.File, fs.FileInfo, error) {
	f, err := inside(s, rel, func(rel string) (*os.File, error) {
		return s.root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	})
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = syscall.EISDIR
	}
	if err == nil && !info.Mode().IsRegular() {
		err = syscall.ENXIO
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// tag is a strong ETag. small is the whole content when it was read for it.
func tag(f *os.File, info fs.FileInfo) (etag string, small []byte, err error) {
	if info.Size() <= maxHashedBytes {
		small, err = io.ReadAll(io.LimitReader(f, maxHashedBytes+1))
		if err != nil {
			return "", nil, err
		}
		if len(small) <= maxHashedBytes {
			sum := sha256.Sum256(small)
			return `"` + hex.EncodeToString(sum[:16]) + `"`, small, nil
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil { // it has grown
			return "", nil, err
		}
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", nil, errors.New("no inode")
	}
	return fmt.Sprintf(`"%x-%x-%x-%x.%x-%x.%x"`, st.Dev, st.Ino, st.Size, st.Mtim.Sec, st.Mtim.Nsec, st.Ctim.Sec, st.Ctim.Nsec), nil, nil
}

func (s *Server) getContent(w http.ResponseWriter, r *http.Request) error {
	rel, err := s.path(r)
	if err != nil {
		return err
	}
	f, info, err := s.openFile(rel)
	if err != nil {
		return err
	}
	defer f.Close()
	etag, small, err := tag(f, info)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("ETag", etag)
	h.Set("Cache-Control", "private, no-cache")
	// Whoever shows this in a browser must not be fooled by what a file claims to be.
	h.Set("X-Content-Type-Options", "nosniff")
	if mime.TypeByExtension(path.Ext(rel)) == "" {
		h.Set("Content-Type", "application/octet-stream")
	}
	if info.Size() == 0 {
		r.Header.Del("Range") // of nothing there is no part; ServeContent would give "bytes 0--1/0"
	}
	var content io.ReadSeeker = f
	if small != nil {
		content = bytes.NewReader(small)
	}
	http.ServeContent(w, r, path.Base(rel), info.ModTime(), content)
	return nil
}

func (s *Server) putContent(w http.ResponseWriter, r *http.Request) error {
	asked, err := s.path(r)
	if err != nil {
		return err
	}
	rel, err := s.follow(asked)
	if err != nil {
		return err
	}
	if rel == "." {
		return fault.InvalidField("query.path", "Give the path of a file.")
	}
	if info, err := s.root.Stat(rel); errors.Is(err, fs.ErrNotExist) {
		if err := workspace.CheckNew(rel); err != nil {
			return err
		}
		if err := s.mkdirAll(path.Dir(rel)); err != nil {
			return err
		}
	} else if err != nil {
		return err
	} else if info.IsDir() {
		return syscall.EISDIR
	}
	// Asked before the body too: nobody should send a gigabyte to learn that it was in vain.
	if _, _, err := s.check(rel, r.Header); err != nil {
		return err
	}
	dir, err := s.openFolder(path.Dir(rel))
	if err != nil {
		return err
	}
	defer dir.Close()
	created, err := s.replace(dir, rel, r)
	if err != nil {
		return err
	}
	f, info, err := s.openFile(rel)
	if err != nil {
		return err
	}
	defer f.Close()
	etag, _, err := tag(f, info)
	if err != nil {
		return err
	}
	e, err := s.entry(asked)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", etag)
	if created {
		return answer(w, http.StatusCreated, e)
	}
	return answer(w, http.StatusOK, e)
}

// replace writes the body to a file without a name and then gives it the file's: who reads meanwhile sees the old or
// the new, and a body that does not come to its end, or a helper that does before it, changes and leaves nothing.
func (s *Server) replace(dir *os.File, rel string, r *http.Request) (created bool, err error) {
	base := path.Base(rel)
	temporary := ".carrel-" + rand.Text()
	named := false // whether it bears the temporary name
	fd, err := unix.Openat(int(dir.Fd()), ".", unix.O_WRONLY|unix.O_TMPFILE|unix.O_CLOEXEC, 0o644)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) { // a file system without such files
		named = true
		fd, err = unix.Openat(int(dir.Fd()), temporary, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	}
	if err != nil {
		return false, os.NewSyscallError("open", err)
	}
	f := os.NewFile(uintptr(fd), temporary)
	defer f.Close() // twice when all goes well, which is harmless
	defer func() {
		if err != nil && named {
			_ = unix.Unlinkat(int(dir.Fd()), temporary, 0) // the error that led here is the one to tell
		}
	}()
	if _, err := io.Copy(f, r.Body); err != nil {
		return false, fmt.Errorf("receive content: %w", clientGone(r, err))
	}
	s.edit.Lock()
	defer s.edit.Unlock()
	exists, mode, err := s.check(rel, r.Header)
	if err != nil {
		return false, err
	}
	if exists {
		if err := f.Chmod(mode); err != nil {
			return false, err
		}
	}
	// The name must not come to stand for a file whose bytes a crash can still lose.
	if err := f.Sync(); err != nil {
		return false, err
	}
	if !named {
		// A name that is taken cannot be given: it gets one of its own for the moment until it replaces what is there.
		if err := unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), int(dir.Fd()), temporary, unix.AT_SYMLINK_FOLLOW); err != nil {
			return false, os.NewSyscallError("link", err)
		}
		named = true
	}
	if err := f.Close(); err != nil { // some file systems tell of a full disk only here
		return false, err
	}
	flags := uint(0)
	if !exists {
		flags = unix.RENAME_NOREPLACE
	}
	err = unix.Renameat2(int(dir.Fd()), temporary, int(dir.Fd()), base, flags)
	if errors.Is(err, unix.EEXIST) {
		return false, fault.Wrap(err, fault.PreconditionFailed, "The file was made by something else at the same moment. Load it and try again.")
	}
	if errors.Is(err, unix.EINVAL) && flags != 0 { // a file system without the flag
		err = unix.Renameat(int(dir.Fd()), temporary, int(dir.Fd()), base)
	}
	return !exists, os.NewSyscallError("rename", err)
}

// clientGone tells a body that broke off from a disk that failed.
func clientGone(r *http.Request, err error) error {
	if r.Context().Err() != nil || errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.Wrap(err, fault.Invalid, "The content did not come to its end, so nothing was saved.")
	}
	return err
}

// check holds If-Match and If-None-Match against the file as it is now.
func (s *Server) check(rel string, h http.Header) (exists bool, mode fs.FileMode, err error) {
	var etag string
	f, info, err := s.openFile(rel)
	switch {
	case err == nil:
		defer f.Close()
		exists, mode = true, info.Mode().Perm()
		if h.Get("If-Match") != "" || h.Get("If-None-Match") != "" {
			if etag, _, err = tag(f, info); err != nil {
				return false, 0, err
			}
		}
	case !errors.Is(err, fs.ErrNotExist):
		return false, 0, err
	}
	if want := h.Get("If-Match"); want != "" && !matches(want, etag, exists) {
		if !exists {
			return false, 0, fault.New(fault.PreconditionFailed, "The file is gone. Save it under a new name, or save it again as a new file.")
		}
		return false, 0, fault.New(fault.PreconditionFailed, "The file was changed by something else since you loaded it. Load it again, or save your version under another name.")
	}
	if not := h.Get("If-None-Match"); not != "" && matches(not, etag, exists) {
		return false, 0, fault.New(fault.PreconditionFailed, "There is a file of that name already. Choose another name.")
	}
	return exists, mode, nil
}

func matches(header, etag string, exists bool) bool {
	for v := range strings.SplitSeq(header, ",") {
		v = strings.TrimSpace(v)
		if exists && (v == "*" || v == etag) {
			return true
		}
	}
	return false
}
