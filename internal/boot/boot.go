// Package boot brings Carrel's three processes up: it makes the folders with
// the owners that keep the processes apart, starts a keeper where there is
// none, and gives up root for good. It runs before anything reads the network.
package boot

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// House is one Carrel on this host: a data folder, a state folder, and the
// users that its processes run as.
type House struct {
	DataDir    string // absolute; survives a restart of the machine
	StateDir   string // absolute; sockets and what runs now. Every folder above it can be entered by all
	ServerUID  int
	GatewayUID int
}

// StateDirFor is the default state folder of a data folder: as root one under
// /run, which every uid can walk to, else one in the data folder itself.
func StateDirFor(dataDir string) string {
	if os.Getuid() != 0 {
		return filepath.Join(dataDir, "run")
	}
	sum := sha256.Sum256([]byte(dataDir))
	return "/run/carrel-" + hex.EncodeToString(sum[:5])
}

// AsRoot tells whether the processes get users of their own.
func AsRoot() bool { return os.Getuid() == 0 }

// folder is one that Prepare makes; uid and gid count only as root.
type folder struct {
	path     string
	mode     os.FileMode
	uid, gid int
	// anyones is taken over from whoever made it. The others must be root's or their owner's: with a folder that
	// another put in their place would come what is in it.
	anyones bool
}

// longestSocket is below the state folder. The kernel has room for 107 bytes of
// a socket's path.
const longestSocket, maxSocketPath = "/instances/i-0123456789ab/sockets/gateway.sock", 107

// Prepare makes the folders, or brings their owners and modes back.
//
// The data folder is root's and sticky: the server keeps its database in it,
// but cannot put something else in the place of volumes or secrets, which the
// keeper and the gateway trust.
func (h House) Prepare() error {
	if over := len(h.StateDir) + len(longestSocket) - maxSocketPath; over > 0 {
		return fmt.Errorf("the path of the state folder, %s, is %d bytes too long for the sockets in it. Set state_dir to a shorter one", h.StateDir, over)
	}
	syscall.Umask(0o022)
	folders := []folder{
		{path: h.DataDir, mode: 0o771 | os.ModeSticky, gid: h.ServerUID, anyones: true},
		{path: filepath.Join(h.DataDir, "volumes"), mode: 0o711},
		{path: filepath.Join(h.DataDir, "workspaces"), mode: 0o711},
		{path: filepath.Join(h.DataDir, "snapshots"), mode: 0o700},
		{path: filepath.Join(h.DataDir, "secrets"), mode: 0o700, uid: h.GatewayUID, gid: h.GatewayUID},
		{path: filepath.Join(h.DataDir, "gateway"), mode: 0o700, uid: h.GatewayUID, gid: h.GatewayUID},
		{path: h.StateDir, mode: 0o711},
		{path: filepath.Join(h.StateDir, "instances"), mode: 0o711},
		{path: filepath.Join(h.StateDir, "gateway"), mode: 0o711, uid: h.GatewayUID, gid: h.GatewayUID},
	}
	for _, f := range folders {
		if err := f.make(); err != nil {
			return fmt.Errorf("prepare %s: %w", f.path, err)
		}
	}
	return nil
}

// make changes what it has opened, never what bears the name a moment later.
func (f folder) make() error {
	notFolder := errors.New("it is a link or a file, and must be a folder")
	switch err := os.MkdirAll(f.path, 0o755); {
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, fs.ErrExist):
		return notFolder
	case err != nil:
		return err
	}
	d, err := os.OpenFile(f.path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return notFolder
	}
	if err != nil {
		return err
	}
	defer d.Close()
	if AsRoot() {
		fi, err := d.Stat()
		if err != nil {
			return err
		}
		if owner := int(fi.Sys().(*syscall.Stat_t).Uid); owner != 0 && owner != f.uid && !f.anyones {
			return fmt.Errorf("it belongs to uid %d, who may have put anything in it. If you trust what is in it: chown -R %d:%d that folder", owner, f.uid, f.gid)
		}
		if err := d.Chown(f.uid, f.gid); err != nil {
			return err
		}
	}
	return d.Chmod(f.mode)
}

// WriteSecrets writes the gateway's settings where only the gateway can read
// them. The gateway takes them up by itself.
func (h House) WriteSecrets(settings any) error {
	b, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("encode gateway's settings: %w", err)
	}
	path := filepath.Join(h.DataDir, "secrets", "gateway.json")
	// The gateway can write in this folder: what is in it is replaced, never opened.
	making := path + ".new"
	if err := os.Remove(making); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write gateway's settings: %w", err)
	}
	f, err := os.OpenFile(making, os.O_CREATE|os.O_EXCL|os.O_WRONLY|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("write gateway's settings: %w", err)
	}
	_, err = f.Write(b)
	if AsRoot() {
		err = errors.Join(err, f.Chown(h.GatewayUID, h.GatewayUID))
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write gateway's settings: %w", err)
	}
	if err := os.Rename(making, path); err != nil {
		return fmt.Errorf("write gateway's settings: %w", err)
	}
	return nil
}

// DropToServer makes this process the server's user, without root and without
// a way back. The working folder becomes the data folder first: the way to it
// may lead through folders that the server's user cannot enter.
func (h House) DropToServer() error {
	if err := os.Chdir(h.DataDir); err != nil {
		return fmt.Errorf("enter data folder: %w", err)
	}
	if !AsRoot() {
		return nil
	}
	if err := syscall.Setgroups([]int{}); err != nil {
		return fmt.Errorf("give up groups: %w", err)
	}
	if err := syscall.Setresgid(h.ServerUID, h.ServerUID, h.ServerUID); err != nil {
		return fmt.Errorf("give up root's group: %w", err)
	}
	if err := syscall.Setresuid(h.ServerUID, h.ServerUID, h.ServerUID); err != nil {
		return fmt.Errorf("give up root: %w", err)
	}
	return nil
}

// BecomeServer replaces this process by `carrel server`: the same pid, another
// user, and memory that never held the key. It returns only with an error.
func (h House) BecomeServer(args, env []string) error {
	ofRoot := AsRoot() // the terminal, if there is one
	if err := h.DropToServer(); err != nil {
		return err
	}
	// The flag and the filter are a thread's, and so is what an exec takes on.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	if ofRoot {
		if err := denyTyping(); err != nil {
			return err
		}
	}
	err := syscall.Exec("/proc/self/exe", append([]string{"carrel", "server"}, args...), env)
	return fmt.Errorf("become the server: %w", err)
}
