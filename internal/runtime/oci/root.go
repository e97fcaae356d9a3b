package oci

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/carrel-dev/carrel/internal/runtime"
)

type bind struct{ source, destination string }

// root is what every instance sees as its system: the host's /usr, or an image
// root by setting. Both are shared and read-only.
type root struct {
	binds []bind            // whole trees, mounted before anything in them
	links map[string]string // top-level links such as bin → usr/bin
	etc   []bind            // single entries of the host's /etc that programs of /usr need; shown inside the made /etc
}

// etcOfHost names what programs under /usr find through /etc and what tells
// nothing about the host's people: certificates, the loader's cache, links of
// update-alternatives, time zone, types.
var etcOfHost = []string{"alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "ssl/certs", "ssl/openssl.cnf", "pki", "ca-certificates.conf", "ca-certificates", "services", "protocols", "magic", "debian_version", "os-release", "terminfo", "perl", "python3", "java-*-openjdk"}

// findRoot looks at the host (image "") or at an unpacked image. It keeps the
// shape that is there: merged /usr has links, an unmerged one has folders.
func findRoot(image string) (root, error) {
	base := image
	if base == "" {
		base = "/"
	}
	if fi, err := os.Stat(filepath.Join(base, "usr/bin")); err != nil || !fi.IsDir() {
		return root{}, fmt.Errorf("root %s has no usr/bin", base)
	}
	r := root{binds: []bind{{filepath.Join(base, "usr"), "/usr"}}, links: map[string]string{}}
	for _, name := range []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"} {
		path := filepath.Join(base, name)
		fi, err := os.Lstat(path)
		switch {
		case err != nil:
		case fi.Mode()&fs.ModeSymlink != 0:
			if target, err := os.Readlink(path); err == nil {
				r.links[name] = strings.TrimPrefix(target, "/")
			}
		case fi.IsDir():
			r.binds = append(r.binds, bind{path, "/" + name})
		}
	}
	for _, pattern := range etcOfHost {
		found, err := filepath.Glob(filepath.Join(base, "etc", pattern))
		if err != nil {
			return root{}, fmt.Errorf("look for /etc/%s: %w", pattern, err)
		}
		for _, name := range found {
			if path, err := filepath.EvalSymlinks(name); err == nil { // a dangling link is no loss
				r.etc = append(r.etc, bind{path, strings.TrimPrefix(name, strings.TrimSuffix(base, "/"))})
			}
		}
	}
	return r, nil
}

// makeRoot builds the skeleton of an instance: mount points, links, and an
// /etc that names nobody but the person.
func (r *Runtime) makeRoot(spec runtime.Spec, p paths) error {
	dirs := []string{"dev", "proc", "sys", "tmp", "run", "usr", "etc", "home/" + spec.Name, "opt/carrel", "var/log", "var/lib/carrel/journal", "run/carrel", "run/supervisor", "root", "mnt", "srv"}
	for _, b := range r.root.binds {
		dirs = append(dirs, strings.TrimPrefix(b.destination, "/"))
	}
	for _, d := range dirs {
		if err := os.MkdirAll(filepath.Join(p.rootfs, d), 0o755); err != nil {
			return fmt.Errorf("make root: %w", err)
		}
	}
	// runc gives a tmpfs the mode of its mount point.
	modes := map[string]os.FileMode{"tmp": 0o777 | os.ModeSticky, "run/supervisor": 0o700, "root": 0o700}
	for d, mode := range modes {
		if err := os.Chmod(filepath.Join(p.rootfs, d), mode); err != nil {
			return fmt.Errorf("make root: %w", err)
		}
	}
	// The run folder's owner inside must be the supervisor, as must be the way to the journal.
	base := r.uidBase(spec.UserID)
	for _, d := range []string{"run/supervisor", "var/lib/carrel"} {
		if err := os.Lchown(filepath.Join(p.rootfs, d), int(base), int(base)); err != nil {
			return fmt.Errorf("make root: %w", err)
		}
	}
	if err := os.Chmod(filepath.Join(p.rootfs, "var/lib/carrel"), 0o700); err != nil {
		return fmt.Errorf("make root: %w", err)
	}
	links := map[string]string{"var/tmp": "/tmp", "var/run": "/run"}
	for name, target := range r.root.links {
		links[name] = target
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(p.rootfs, name)); err != nil {
			return fmt.Errorf("make root: %w", err)
		}
	}
	for _, name := range []string{"carrel", "claude"} {
		if err := os.WriteFile(filepath.Join(p.rootfs, "opt/carrel", name), nil, 0o555); err != nil {
			return fmt.Errorf("make root: %w", err)
		}
	}
	return r.makeEtc(spec, p)
}

func (r *Runtime) makeEtc(spec runtime.Spec, p paths) error {
	files := map[string]string{
		"passwd": fmt.Sprintf("root:x:0:0:supervisor:/root:/usr/sbin/nologin\n%s:x:%d:%d::/home/%s:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n", spec.Name, personID, personID, spec.Name),
		"group":  fmt.Sprintf("root:x:0:\ntty:x:%d:\n%s:x:%d:\nnogroup:x:65534:\n", ttyGID, spec.Name, personID),
		"hosts":  "127.0.0.1 localhost carrel\n::1 localhost\n",
		// There is no way to a name server: the egress proxy resolves.
		"resolv.conf":   "",
		"hostname":      "carrel\n",
		"nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
		"shells":        "/bin/sh\n/bin/bash\n",
		"profile":       "umask 022\n[ -n \"$BASH\" ] && [ -r /etc/bash.bashrc ] && . /etc/bash.bashrc\n",
		"bash.bashrc":   "case $- in *i*) PS1='\\u:\\w\\$ ' ;; esac\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(p.etc, name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("make etc: %w", err)
		}
	}
	if err := os.Symlink("/proc/mounts", filepath.Join(p.etc, "mtab")); err != nil {
		return fmt.Errorf("make etc: %w", err)
	}
	// Mount points for what is shown of the host's.
	for _, b := range r.root.etc {
		at := filepath.Join(p.etc, strings.TrimPrefix(b.destination, "/etc/"))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return fmt.Errorf("make etc: %w", err)
		}
		fi, err := os.Stat(b.source)
		if err != nil {
			return fmt.Errorf("make etc: %w", err)
		}
		if fi.IsDir() {
			err = os.Mkdir(at, 0o755)
		} else {
			err = os.WriteFile(at, nil, 0o644)
		}
		if err != nil {
			return fmt.Errorf("make etc: %w", err)
		}
	}
	return nil
}
