package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/runtime"
)

// A volume is an ext4 image of the person's own on a loop device: its size and
// its number of inodes are the limits, and no way of filling it passes them.
// The image is sparse; what is deleted is given back to the host.
//
// It holds home/ (the person's) and journal/ (the supervisor's). The last few
// per cent are for the supervisor alone, so that a person who fills the volume
// cannot stop the journal.
const reservedPercent = 3

// openVolume makes the image when there is none, grows it to the limits, and
// mounts it.
func (r *Runtime) openVolume(ctx context.Context, spec runtime.Spec, p paths) error {
	base := int(r.uidBase(spec.UserID))
	if _, err := mountSource(p.volume); err == nil {
		// Somebody reads it, or a keeper that was killed left it: it is the same volume.
		if err := r.growMounted(ctx, p, spec.Limits.StorageBytes); err != nil {
			r.opt.Log.Warn("storage limit grows at the next start of the instance", "instance_id", spec.ID, "err", err)
		}
	} else if err := prepareImage(ctx, spec.Limits, p.image); err != nil {
		return err
	} else if err := mountImage(ctx, p.image, p.volume, base); err != nil {
		return err
	}
	for _, d := range []struct {
		path  string
		owner int
	}{{p.home, base + personID}, {p.journal, base}} {
		if err := os.Mkdir(d.path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return errors.Join(fmt.Errorf("make volume: %w", err), r.letGo(ctx, spec.UserID, p))
		}
		if err := errors.Join(os.Lchown(d.path, d.owner, d.owner), enterable(d.path)); err != nil {
			return errors.Join(fmt.Errorf("make volume: %w", err), r.letGo(ctx, spec.UserID, p))
		}
	}
	r.snapshots.Tidy(ctx, spec.UserID, p.volume, r.opt.Log)
	return nil
}

// enterable gives a folder's owner all rights to it. A person may take them
// from their home, and whoever cannot enter it cannot give them back.
func enterable(path string) error {
	fi, err := os.Lstat(path)
	if err != nil || fi.Mode()&0o700 == 0o700 {
		return err
	}
	return os.Chmod(path, fi.Mode()|0o700) // its name is in a folder of root's, so it is no link
}

// prepareImage makes the image, or grows it to the limits.
func prepareImage(ctx context.Context, l runtime.Limits, image string) error {
	fi, err := os.Lstat(image)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return makeImage(ctx, l, image)
	case err != nil:
		return fmt.Errorf("look at volume: %w", err)
	case !fi.Mode().IsRegular():
		return fmt.Errorf("volume %s is not a file", image)
	case fi.Size() < l.StorageBytes:
		return growImage(ctx, image, l.StorageBytes)
	}
	return nil
}

// mountImage mounts an image. reserve is who may use its last blocks.
func mountImage(ctx context.Context, image, at string, reserve int) error {
	if err := os.MkdirAll(at, 0o711); err != nil {
		return fmt.Errorf("make mount point: %w", err)
	}
	options := fmt.Sprintf("loop,nosuid,nodev,noatime,discard,resuid=%d", reserve)
	if err := command(ctx, "mount", "-t", "ext4", "-o", options, image, at); err != nil {
		return fmt.Errorf("mount volume: %w", err)
	}
	return nil
}

func makeImage(ctx context.Context, l runtime.Limits, image string) error {
	making := image + ".new"
	if err := os.Remove(making); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("make volume: %w", err)
	}
	f, err := os.OpenFile(making, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make volume: %w", err)
	}
	if err := errors.Join(f.Truncate(l.StorageBytes), f.Close()); err != nil {
		return fmt.Errorf("make volume: %w", err)
	}
	// 16 MiB of journal suffice; small volumes get what mkfs thinks right.
	args := []string{"-q", "-F", "-N", strconv.FormatInt(inodes(l), 10), "-m", strconv.Itoa(reservedPercent),
		"-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"}
	if l.StorageBytes >= 512<<20 {
		args = append(args, "-J", "size=16")
	}
	if err := command(ctx, "mkfs.ext4", append(args, making)...); err != nil {
		return fmt.Errorf("make volume of %d bytes with %d inodes: %w", l.StorageBytes, l.Inodes, err)
	}
	if err := os.Rename(making, image); err != nil {
		return fmt.Errorf("make volume: %w", err)
	}
	return nil
}

// inodes are those of a new image. Each takes 256 bytes of it for good: more of
// them than one for every 2 KiB would leave little room for what is in files,
// and mkfs refuses what leaves none.
func inodes(l runtime.Limits) int64 { return min(l.Inodes, l.StorageBytes/2048) }

// growImage grows an image that is not mounted. It is never made smaller: a
// smaller limit would have to fit what is in it.
func growImage(ctx context.Context, image string, size int64) error {
	// resize2fs wants a checked file system; a clean one takes no time.
	if err := command(ctx, "e2fsck", "-p", image); err != nil && exitCode(err) > 1 {
		return fmt.Errorf("check volume: %w", err)
	}
	if err := os.Truncate(image, size); err != nil {
		return fmt.Errorf("grow volume: %w", err)
	}
	if err := command(ctx, "resize2fs", "-f", image); err != nil {
		return fmt.Errorf("grow volume: %w", err)
	}
	return nil
}

// growMounted grows a volume in use: file, loop device, file system.
func (r *Runtime) growMounted(ctx context.Context, p paths, size int64) error {
	fi, err := os.Stat(p.image)
	if err != nil {
		return fmt.Errorf("look at volume: %w", err)
	}
	if fi.Size() >= size {
		return nil
	}
	device, err := mountSource(p.volume)
	if err != nil {
		return err
	}
	if err := os.Truncate(p.image, size); err != nil {
		return fmt.Errorf("grow volume: %w", err)
	}
	if err := command(ctx, "losetup", "-c", device); err != nil {
		return fmt.Errorf("grow volume: %w", err)
	}
	if err := command(ctx, "resize2fs", device); err != nil {
		return fmt.Errorf("grow volume: %w", err)
	}
	return nil
}

// closeVolume unmounts. The namespaces of a container that just died let go a
// moment later, so a busy mount is tried again within the context's time.
func closeVolume(ctx context.Context, at string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		err := unix.Unmount(at, 0)
		switch {
		case err == nil, errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT): // EINVAL: not mounted
			if err := os.Remove(at); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("remove mount point: %w", err)
			}
			return nil
		case !errors.Is(err, unix.EBUSY):
			return fmt.Errorf("unmount volume: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("unmount volume: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// mountSource finds the device of a mount point in the kernel's list.
func mountSource(mountPoint string) (string, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("read mounts: %w", err)
	}
	mountPoint, err = filepath.EvalSymlinks(mountPoint)
	if err != nil {
		return "", fmt.Errorf("read mounts: %w", err)
	}
	escaped := strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`).Replace(mountPoint)
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) < 5 || fields[4] != escaped {
			continue
		}
		if _, rest, ok := strings.Cut(line, " - "); ok {
			if f := strings.Fields(rest); len(f) >= 2 {
				return f[1], nil
			}
		}
	}
	return "", fmt.Errorf("%s is not mounted", mountPoint)
}

// command runs a program of the host's with a bare environment and gives its
// words in the error.
func command(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		text := strings.TrimSpace(string(out))
		if len(text) > 500 {
			text = text[len(text)-500:]
		}
		return fmt.Errorf("%s: %w: %s", name, err, text)
	}
	return nil
}

func exitCode(err error) int {
	var e *exec.ExitError
	if errors.As(err, &e) {
		return e.ExitCode()
	}
	return -1
}
