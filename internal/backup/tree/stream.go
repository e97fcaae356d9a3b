package tree

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// streamName is the folder that a stream of one folder holds all in.
const streamName = "home"

// WriteStream takes one folder of one person's into a tar stream, compressed by
// zstd. All in it counts as the person's.
func WriteStream(ctx context.Context, dir *os.File, out io.Writer) (Report, error) {
	z, err := zstd.NewWriter(out)
	if err != nil {
		return Report{}, fmt.Errorf("compress: %w", err)
	}
	w := tar.NewWriter(z)
	p := &Packer{Owner: func(uint32) int { return Person }, Add: func(h *tar.Header, body io.Reader) error {
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		_, err := io.CopyN(w, body, h.Size)
		return err
	}}
	if err := p.Pack(ctx, dir, streamName); err != nil {
		_ = z.Close() // what it wrote is thrown away
		return p.Report(), fmt.Errorf("write folder: %w", err)
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		return p.Report(), fmt.Errorf("write folder: %w", err)
	}
	return p.Report(), nil
}

// ReadStream makes what WriteStream took in an empty folder, as who runs it.
func ReadStream(ctx context.Context, in io.Reader, dir *os.Root) (Report, error) {
	z, err := zstd.NewReader(in, zstd.WithDecoderMaxWindow(64<<20))
	if err != nil {
		return Report{}, fmt.Errorf("read folder: %w", err)
	}
	defer z.Close()
	u := &Unpacker{Root: dir}
	defer u.release()
	for r := tar.NewReader(z); ; {
		if err := ctx.Err(); err != nil {
			return u.Report(), err
		}
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return u.Report(), fmt.Errorf("read folder: %w", err)
		}
		name, ok := strings.CutPrefix(h.Name, streamName+"/")
		if !ok {
			return u.Report(), fmt.Errorf("%w: %q", ErrName, h.Name)
		}
		if name == "" {
			continue // the folder itself
		}
		h.Name, h.PAXRecords = name, Records(h.PAXRecords)
		if h.Typeflag == tar.TypeLink {
			h.Linkname = strings.TrimPrefix(h.Linkname, streamName+"/")
		}
		if err := u.Add(h, r); err != nil {
			return u.Report(), err
		}
	}
	if _, err := io.Copy(io.Discard, z); err != nil { // its checksum
		return u.Report(), fmt.Errorf("read folder: %w", err)
	}
	return u.Report(), u.Close()
}
