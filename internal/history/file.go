package history

import (
	"bufio"
	"compress/gzip"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// longestFile bounds what is read, unpacked: MaxUsers of four series take 50 MB.
const longestFile = 256 << 20

// kept is the file: gob in gzip, whose checksum tells whether it is whole.
type kept struct {
	Step         time.Duration
	Server, User []Series
	Subjects     map[int64]keptSubject // the server's is 0
}

type keptSubject struct {
	At    time.Time
	Rings [len(rings)]keptRing
}

type keptRing struct {
	Last   int64
	Values []float32
	Counts []int
}

// save writes the file under another name first. Run alone calls it, which alone changes what is read here.
func (h *History) save() (err error) {
	if h.o.File == "" {
		return nil
	}
	k := kept{Step: h.o.Step, Server: h.o.Server, User: h.o.User, Subjects: map[int64]keptSubject{0: keep(h.server)}}
	for id, u := range h.users {
		k.Subjects[id] = keep(u)
	}
	fresh := h.o.File + ".new"
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	b := bufio.NewWriter(f)
	z, err := gzip.NewWriterLevel(b, gzip.BestSpeed)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(gob.NewEncoder(z).Encode(k), z.Close(), b.Flush(), f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", filepath.Base(fresh), err), os.Remove(fresh))
	}
	return os.Rename(fresh, h.o.File)
}

// load takes over what a server before wrote; nothing of it unless all is well.
func (h *History) load() error {
	if h.o.File == "" {
		return nil
	}
	f, err := os.Open(h.o.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return err
	}
	all := io.LimitReader(z, longestFile)
	var k kept
	if err := gob.NewDecoder(all).Decode(&k); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, all); err != nil { // only the end has the checksum
		return err
	}
	if k.Step != h.o.Step || !slices.Equal(k.Server, h.o.Server) || !slices.Equal(k.User, h.o.User) {
		return errors.New("it has other figures or another step")
	}
	server, users := newSubject(len(h.o.Server)), map[int64]*subject{}
	for id, s := range k.Subjects {
		to := server
		if id != 0 {
			to = newSubject(len(h.o.User))
			users[id] = to
		}
		if !s.restore(to) {
			return errors.New("its rings have other lengths")
		}
	}
	h.server, h.users = server, users
	return nil
}

func keep(s *subject) keptSubject {
	k := keptSubject{At: s.at}
	for i, r := range s.rings {
		k.Rings[i] = keptRing{r.last, r.values, r.counts}
	}
	return k
}

// restore leaves out the time of the last sample where counters depend on it: after a restart they are not followed.
func (k keptSubject) restore(to *subject) bool {
	for i, r := range k.Rings {
		if len(r.Values) != len(to.rings[i].values) || len(r.Counts) != len(to.rings[i].counts) || r.Last < 0 {
			return false
		}
		to.rings[i] = ring{r.Last, r.Values, r.Counts}
	}
	to.at = k.At
	for i := range to.before {
		to.before[i] = nan
	}
	return true
}
