package store

import (
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// relativeVFS gives the name of a VFS that opens relative paths as they are.
//
// SQLite's own makes a path absolute and looks at every folder above it. The
// server cannot: it was started as root in a folder that it, unprivileged, may
// not pass through any more (/root/carrel-data, say), and only its working
// directory is open to it. This VFS is the default one with that step left out,
// the shim that SQLite's documentation of sqlite3_vfs describes.
var relativeVFS = sync.OnceValue(func() string {
	const name = "carrel-relative"
	tls := libc.NewTLS()
	defer tls.Close()

	// Both allocations live as long as the process: SQLite keeps them registered.
	cname, err := libc.CString(name)
	if err != nil {
		panic("store: no memory for the name of a VFS")
	}
	size := unsafe.Sizeof(sqlite3.Tsqlite3_vfs{})
	p := libc.Xmalloc(tls, libc.Tsize_t(size))
	if p == 0 {
		panic("store: no memory for a VFS")
	}
	base := sqlite3.Xsqlite3_vfs_find(tls, 0)
	libc.Xmemcpy(tls, p, base, libc.Tsize_t(size))
	vfs := vfsAt(p)
	vfs.FpNext = 0
	vfs.FzName = cname
	vfs.FxFullPathname = pointerTo(keepPath)
	if rc := sqlite3.Xsqlite3_vfs_register(tls, p, 0); rc != sqlite3.SQLITE_OK {
		panic("store: SQLite refuses a VFS")
	}
	return name
})

// keepPath is the VFS's xFullPathname: the path stays what it is.
func keepPath(tls *libc.TLS, _, path uintptr, size int32, out uintptr) int32 {
	n := libc.Xstrlen(tls, path)
	if n+1 > libc.Tsize_t(size) {
		return sqlite3.SQLITE_CANTOPEN
	}
	libc.Xmemcpy(tls, out, path, n+1)
	return sqlite3.SQLITE_OK
}

// vfsAt reads memory of libc's as a VFS. It is not Go's, so the collector never
// moves or frees it.
func vfsAt(p uintptr) *sqlite3.Tsqlite3_vfs {
	return *(**sqlite3.Tsqlite3_vfs)(unsafe.Pointer(&p))
}

// pointerTo is a Go function as translated C code holds one.
func pointerTo(f func(*libc.TLS, uintptr, uintptr, int32, uintptr) int32) uintptr {
	return *(*uintptr)(unsafe.Pointer(&f))
}
