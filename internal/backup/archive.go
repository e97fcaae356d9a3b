package backup

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"github.com/carrel-dev/carrel/internal/backup/tree"
)

// A backup is a tar file, compressed by zstd and, with a recipient, encrypted by
// age. Its first entry is the head, its last the manifest; between them the
// entries of each part stand together.
const (
	format       = 1
	headName     = "carrel-backup.json"
	manifestName = "carrel-manifest.json"
	maxText      = 64 << 20 // bytes of head or manifest
	maxWindow    = 64 << 20 // memory that a compressed file may ask for
)

// Head is what a backup says of itself before anything else.
type Head struct {
	Format    int       `json:"format"`
	Version   string    `json:"version"` // of the carrel that made it
	CreatedAt time.Time `json:"created_at"`
}

// Manifest is what a backup says that it holds.
type Manifest struct {
	Head
	Users   []User     `json:"users"`
	Parts   []Part     `json:"parts"`
	Skipped tree.Notes `json:"skipped"`
	// Secrets tells whether the key and the settings are in it.
	Secrets bool `json:"secrets"`
}

// User is an account in the backup.
type User struct {
	ID     int64  `json:"id"`
	Name   string `json:"name"`
	Volume bool   `json:"volume"`          // false: had no files yet, or see Error
	Error  string `json:"error,omitempty"` // why the files could not be read; they are not in the backup
}

// Part is a number of entries with one sum: of all that is told of each, and its contents.
type Part struct {
	Name    string `json:"name"` // "store", "volumes/3", …
	Entries int64  `json:"entries"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"`
}

// ErrDamaged is in the chain when a file is not whole, or not a backup.
var ErrDamaged = errors.New("this is not a whole backup")

func damaged(text string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(text, args...))
}

// partOf is the part that an entry belongs to, by its name.
func partOf(name string) string {
	first, rest, _ := strings.Cut(name, "/")
	if first == "volumes" {
		id, _, _ := strings.Cut(rest, "/")
		return first + "/" + id
	}
	return first
}

// Records of a volume's own entry: its limits.
const (
	recordBytes  = "CARREL.volume.bytes"
	recordInodes = "CARREL.volume.inodes"
)

// records are those of an entry that are ours.
func records(all map[string]string) map[string]string {
	out := tree.Records(all)
	for _, k := range []string{recordBytes, recordInodes} {
		if v, ok := all[k]; ok {
			out[k] = v
		}
	}
	return out
}

// sum sums up one part.
type sum struct {
	part Part
	hash hash.Hash
}

func newSum(name string) *sum { return &sum{Part{Name: name}, sha256.New()} }

// head sums up what is told of an entry. Each text comes with its length, so
// that no two entries look the same.
func (s *sum) head(h *tar.Header) {
	number := func(n int64) { _ = binary.Write(s.hash, binary.BigEndian, n) } // a hash takes everything
	text := func(t string) { number(int64(len(t))); _, _ = io.WriteString(s.hash, t) }
	text(h.Name)
	text(h.Linkname)
	for _, n := range []int64{int64(h.Typeflag), h.Mode, int64(h.Uid), int64(h.Gid), h.Size, h.ModTime.Unix(), int64(h.ModTime.Nanosecond())} {
		number(n)
	}
	records := records(h.PAXRecords)
	keys := make([]string, 0, len(records))
	for k := range records {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	number(int64(len(keys)))
	for _, k := range keys {
		text(k)
		text(records[k])
	}
	s.part.Entries++
	s.part.Bytes += h.Size
}

func (s *sum) done() Part {
	s.part.SHA256 = hex.EncodeToString(s.hash.Sum(nil))
	return s.part
}

// writer makes a backup.
type writer struct {
	tar    *tar.Writer
	closes []io.Closer // from the inside out
	now    *sum
	parts  []Part
}

func newWriter(out io.Writer, recipients []age.Recipient) (*writer, error) {
	w := &writer{}
	if len(recipients) > 0 {
		e, err := age.Encrypt(out, recipients...)
		if err != nil {
			return nil, fmt.Errorf("encrypt: %w", err)
		}
		w.closes, out = append(w.closes, e), e
	}
	z, err := zstd.NewWriter(out)
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	w.tar = tar.NewWriter(z)
	w.closes = append([]io.Closer{w.tar, z}, w.closes...)
	return w, nil
}

func (w *writer) text(name string, at time.Time, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: int64(len(b)), ModTime: at, Format: tar.FormatPAX}
	if err := w.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	if _, err := w.tar.Write(b); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return nil
}

// add writes an entry; those of one part must come together.
func (w *writer) add(h *tar.Header, body io.Reader) error {
	if name := partOf(h.Name); w.now == nil || w.now.part.Name != name {
		w.end()
		w.now = newSum(name)
	}
	w.now.head(h)
	if err := w.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	if _, err := io.CopyN(io.MultiWriter(w.tar, w.now.hash), body, h.Size); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return nil
}

func (w *writer) end() {
	if w.now != nil {
		w.parts = append(w.parts, w.now.done())
		w.now = nil
	}
}

func (w *writer) close(m *Manifest) error {
	w.end()
	m.Parts = w.parts
	if err := w.text(manifestName, m.CreatedAt, m); err != nil {
		return err
	}
	for _, c := range w.closes {
		if err := c.Close(); err != nil {
			return fmt.Errorf("write backup: %w", err)
		}
	}
	return nil
}

// abandon lets go of what was begun.
func (w *writer) abandon() {
	for _, c := range w.closes {
		_ = c.Close() // what it wrote is thrown away
	}
}

// read reads a backup to its end and gives each entry to visit, which need not
// read the body. Only when it returns without an error was the backup whole.
func read(ctx context.Context, in io.Reader, identities []age.Identity, visit func(h *tar.Header, body io.Reader) error) (Manifest, error) {
	buffered := bufio.NewReaderSize(in, 64<<10)
	var src io.Reader = buffered
	if magic, _ := buffered.Peek(len(ageMagic)); string(magic) == ageMagic {
		if len(identities) == 0 {
			return Manifest{}, errors.New("the backup is encrypted; --identity names the file with its key")
		}
		plain, err := age.Decrypt(buffered, identities...)
		if err != nil {
			return Manifest{}, fmt.Errorf("decrypt backup: %w", err)
		}
		src = plain
	}
	z, err := zstd.NewReader(src, zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return Manifest{}, fmt.Errorf("read backup: %w", err)
	}
	defer z.Close()
	r := &reader{tar: tar.NewReader(z), seen: map[string]bool{}, visit: visit}
	if err := r.all(ctx); err != nil {
		return Manifest{}, err
	}
	if _, err := io.Copy(io.Discard, z); err != nil { // its checksum, and age's last block, come after tar's end
		return Manifest{}, damaged("%w", err)
	}
	return r.manifest, nil
}

const ageMagic = "age-encryption.org/v1"

type reader struct {
	tar      *tar.Reader
	visit    func(h *tar.Header, body io.Reader) error
	head     Head
	manifest Manifest
	now      *sum
	parts    []Part
	seen     map[string]bool
}

func (r *reader) all(ctx context.Context) error {
	if err := r.text(headName, &r.head); err != nil {
		return err
	}
	if r.head.Format != format {
		return fmt.Errorf("the backup has format %d and this carrel knows %d; it was made by carrel %s", r.head.Format, format, r.head.Version)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := r.tar.Next()
		switch {
		case errors.Is(err, io.EOF):
			return damaged("it ends without its manifest")
		case err != nil:
			return damaged("%w", err)
		case h.Name == manifestName:
			return r.last(h)
		}
		if err := r.entry(h); err != nil {
			return err
		}
	}
}

func (r *reader) entry(h *tar.Header) error {
	if name := partOf(h.Name); r.now == nil || r.now.part.Name != name {
		r.end()
		if r.seen[name] {
			return damaged("%s comes twice", name)
		}
		r.seen[name] = true
		r.now = newSum(name)
	}
	h.PAXRecords = records(h.PAXRecords)
	r.now.head(h)
	src := &source{r: r.tar}
	body := io.TeeReader(src, r.now.hash)
	if err := r.visit(h, body); err != nil {
		if src.err != nil {
			return damaged("%w", src.err)
		}
		return err
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return damaged("%w", err)
	}
	return nil
}

// source remembers that reading failed, whoever read.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

func (r *reader) end() {
	if r.now != nil {
		r.parts = append(r.parts, r.now.done())
		r.now = nil
	}
}

func (r *reader) last(h *tar.Header) error {
	if err := decode(h, r.tar, &r.manifest); err != nil {
		return err
	}
	r.end()
	if m := r.manifest; m.Format != r.head.Format || m.Version != r.head.Version || !m.CreatedAt.Equal(r.head.CreatedAt) {
		return damaged("its two ends are of two backups")
	}
	if len(r.parts) != len(r.manifest.Parts) {
		return damaged("it has %d parts and its manifest names %d", len(r.parts), len(r.manifest.Parts))
	}
	for i, p := range r.manifest.Parts {
		if p != r.parts[i] {
			return damaged("%s is not what it was: its sum is %.12s, and was %.12s", p.Name, r.parts[i].SHA256, p.SHA256)
		}
	}
	if h, err := r.tar.Next(); err == nil {
		return damaged("%q comes after its manifest", h.Name)
	} else if !errors.Is(err, io.EOF) {
		return damaged("%w", err)
	}
	return nil
}

func (r *reader) text(name string, into any) error {
	h, err := r.tar.Next()
	if err != nil {
		return damaged("%w", err)
	}
	if h.Name != name {
		return damaged("it begins with %q", h.Name)
	}
	return decode(h, r.tar, into)
}

func decode(h *tar.Header, body io.Reader, into any) error {
	if h.Typeflag != tar.TypeReg || h.Size > maxText {
		return damaged("%s is no text", h.Name)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(body); err != nil {
		return damaged("%w", err)
	}
	if err := json.Unmarshal(b.Bytes(), into); err != nil {
		return damaged("%s: %w", h.Name, err)
	}
	return nil
}
