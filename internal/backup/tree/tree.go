// Package tree takes a person's folders into a tar stream, and out of it again.
// It owns what of a file is kept: contents with their holes, names of any
// bytes, modes, times, the two owners that a volume has, symbolic and hard
// links, and extended attributes of the namespace `user`. Sockets, pipes and
// devices are left out, and so are access lists and capabilities.
//
// Whoever owns the folders may be hostile and may change them meanwhile. So
// nothing is opened by a path but by the folder that it is in, links are never
// followed, a file is opened for reading only after it was seen to be one, and
// neither time nor memory grows with more than what the volume can hold.
package tree

import (
	"errors"
	"fmt"
	"strings"
)

// The two owners of what is in a volume, as they are called inside.
const (
	Supervisor = 0
	Person     = 1000
)

const (
	recordSparse = "CARREL.sparse" // size of a file whose body is extents, see sparse.go
	recordXattr  = "SCHILY.xattr." // as GNU tar and bsdtar write them
	xattrKept    = "user."         // the namespace that is a person's to use
	maxXattrs    = 128 << 10       // bytes of all of a file's; a header of tar has room for 1 MiB
	maxPath      = 4096            // the kernel takes no longer one in a call
	maxDepth     = 1000            // each level takes a descriptor
	maxLinkNames = 64 << 20        // bytes of names kept to find hard links; what is beyond is kept as files of their own
	maxNotes     = 100             // skipped files that are named; the others are counted
	minHole      = int64(64 << 10) // smaller holes are kept as zeros
)

// Report says what was done.
type Report struct {
	Entries int64 `json:"entries"`
	Bytes   int64 `json:"bytes"` // of contents, without holes
	Skipped Notes `json:"skipped"`
	Lost    Notes `json:"lost"` // of those what somebody may miss: not sockets, pipes and devices
}

// skip notes what was left out.
func (r *Report) skip(name string, err error) {
	r.Skipped.Note(name, err)
	if !errors.Is(err, errSpecial) {
		r.Lost.Note(name, err)
	}
}

// Notes counts what was left out and names the first of it.
type Notes struct {
	Count int64    `json:"count"`
	First []string `json:"first,omitempty"`
}

// Note adds one. Names are quoted: they may hold anything.
func (n *Notes) Note(name string, err error) {
	n.Count++
	if len(n.First) >= maxNotes {
		return
	}
	if len(name) > 200 {
		name = name[:100] + "…" + name[len(name)-100:]
	}
	n.First = append(n.First, fmt.Sprintf("%q: %v", name, err))
}

var (
	errTooDeep  = errors.New("its path is too long or too deep")
	errSpecial  = errors.New("it is a socket, a pipe or a device")
	errElse     = errors.New("it is on another file system")
	errXattrs   = errors.New("its extended attributes are too many")
	errChanging = errors.New("the folders change faster than they can be read")
	errShrank   = errors.New("it became shorter while it was read; the rest is zeros")

	// ErrName is in the chain when an entry's name leads out of its folder.
	ErrName = errors.New("a name that leads elsewhere")
)

// kept tells whether a record of a tar header is one of ours.
func kept(record string) bool {
	return record == recordSparse || strings.HasPrefix(record, recordXattr+xattrKept)
}

// Records are those of a header that say something of the file beside tar's own fields.
func Records(all map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range all {
		if kept(k) {
			out[k] = v
		}
	}
	return out
}
