package oci

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/runtime"
)

// Check looks at what a sandbox needs and at the host's own weak settings.
func (r *Runtime) Check(ctx context.Context) []runtime.Finding {
	return Check(ctx, r.opt.Command, r.opt.Claude, r.opt.DataDir, r.opt.UIDBase)
}

// Check is Runtime.Check for a machine on which no Runtime can be opened yet.
func Check(ctx context.Context, command, claude, dataDir string, uidBase uint32) []runtime.Finding {
	f := []runtime.Finding{checkRoot(), checkCommand(ctx, command), checkClaude(claude)}
	f = append(f, checkNamespaces(), checkCgroups(), checkStorage(dataDir), checkSubuid(uidBase))
	return append(f, checkHost()...)
}

func checkRoot() runtime.Finding {
	f := runtime.Finding{Name: "root", State: "ok", Detail: "The keeper can run as root."}
	if os.Geteuid() != 0 {
		f.State, f.Detail, f.Remedy = "fail", "This is not root; containers with limits need a keeper that is.", "sudo carrel serve"
	}
	return f
}

func checkCommand(ctx context.Context, command string) runtime.Finding {
	f := runtime.Finding{Name: "runc", State: "ok"}
	out, err := exec.CommandContext(ctx, command, "--version").Output()
	if err != nil {
		f.State, f.Detail, f.Remedy = "fail", "The OCI runtime "+command+" cannot be run: "+err.Error(), "apt-get install runc"
		return f
	}
	first, _, _ := strings.Cut(string(out), "\n")
	f.Detail = first
	version := strings.TrimPrefix(first, "runc version ")
	if version != first && olderThan(version, fixedVersions) {
		if strings.Contains(version, "ds") || strings.Contains(version, "+") {
			f.State, f.Detail = "warn", first+": older than 1.2.8; whether CVE-2024-21626 and the mask races of 2025 (CVE-2025-31133, -52565, -52881) are mended depends on the distribution's patches."
		} else {
			f.State, f.Detail = "warn", first+" lacks the fixes of CVE-2025-31133, -52565 and -52881."
		}
		f.Remedy = "Keep the distribution's security updates on, or install runc 1.2.8, 1.3.3, 1.4.0 or later and set oci.command."
	}
	return f
}

// fixedVersions are the first of each line that mend the breakouts of 2025.
var fixedVersions = [][3]int{{1, 2, 8}, {1, 3, 3}, {1, 4, 0}}

// olderThan tells whether a version is before the first fixed one of its line.
func olderThan(version string, fixed [][3]int) bool {
	var v [3]int
	for i, part := range strings.SplitN(strings.FieldsFunc(version, func(r rune) bool { return r == '+' || r == '-' || r == '~' })[0], ".", 3) {
		v[i], _ = strconv.Atoi(part) // what is no number counts as 0: rather one warning too many
	}
	for _, f := range fixed {
		if v[0] == f[0] && v[1] == f[1] {
			return v[2] < f[2]
		}
	}
	last := fixed[len(fixed)-1]
	return v[0] < last[0] || v[0] == last[0] && v[1] < last[1]
}

func checkClaude(path string) runtime.Finding {
	f := runtime.Finding{Name: "claude", State: "ok", Detail: path}
	fi, err := os.Stat(path)
	if path == "" || err != nil || fi.Mode()&0o111 == 0 {
		f.State, f.Detail, f.Remedy = "fail", "The Claude CLI was not found.", "make claude (or set claude.path)"
	}
	return f
}

func checkNamespaces() runtime.Finding {
	f := runtime.Finding{Name: "namespaces", State: "ok", Detail: "User namespaces are on."}
	b, err := os.ReadFile("/proc/sys/user/max_user_namespaces")
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || n == 0 {
		f.State, f.Detail, f.Remedy = "fail", "User namespaces are off.", "sysctl -w user.max_user_namespaces=16384"
	}
	return f
}

func checkCgroups() runtime.Finding {
	f := runtime.Finding{Name: "cgroups", State: "ok", Detail: "version 2"}
	need := []string{"cpu", "memory", "pids"}
	if unified() {
		b, err := os.ReadFile(filepath.Join(cgroupRoot, "cgroup.controllers"))
		have := strings.Fields(string(b))
		for _, n := range need {
			if err != nil || !slices.Contains(have, n) {
				f.State, f.Detail, f.Remedy = "fail", "The cgroup controller "+n+" is missing.", "Enable it for the root group (cgroup.subtree_control)."
			}
		}
		return f
	}
	f.Detail = "version 1"
	for _, n := range append(need, "devices", "freezer") {
		if fi, err := os.Stat(filepath.Join(cgroupRoot, n)); err != nil || !fi.IsDir() {
			f.State, f.Detail, f.Remedy = "fail", "The cgroup controller "+n+" is not mounted.", "mount -t cgroup -o "+n+" cgroup "+filepath.Join(cgroupRoot, n)
		}
	}
	return f
}

func checkStorage(dataDir string) runtime.Finding {
	f := runtime.Finding{Name: "storage quota", State: "ok", Detail: "an ext4 image for each user on a loop device"}
	for _, program := range []string{"mkfs.ext4", "mount", "losetup", "resize2fs", "e2fsck"} {
		if _, err := exec.LookPath(program); err != nil {
			f.State, f.Detail, f.Remedy = "fail", program+" is missing.", "apt-get install e2fsprogs mount"
			return f
		}
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		f.State, f.Detail, f.Remedy = "fail", "There are no loop devices.", "modprobe loop"
		return f
	}
	var s unix.Statfs_t
	if err := unix.Statfs(dataDir, &s); err == nil {
		free := int64(s.Bavail) * s.Bsize
		f.Detail += fmt.Sprintf("; %d GiB are free for all of them", free>>30)
		if free < 5<<30 {
			f.State, f.Remedy = "warn", "Images are sparse: their limits may add up to more than the disk has. Make room, or lower quota.storage_bytes."
		}
	}
	return f
}

// checkSubuid refuses to share uids with what the host gives to its own users.
func checkSubuid(base uint32) runtime.Finding {
	f := runtime.Finding{Name: "uid ranges", State: "ok", Detail: fmt.Sprintf("users get uids from %d on", base)}
	if taken := subuidClash("/etc/subuid", base); taken != "" {
		f.State, f.Detail, f.Remedy = "fail", "/etc/subuid gives uids of Carrel's range to others: "+taken, "Set oci.uid_base to a free multiple of 65536."
	}
	return f
}

func subuidClash(path string, base uint32) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	first, last := uint64(base), uint64(base)+(MaxUserID+1)*rangeSize
	for line := range strings.Lines(string(b)) {
		p := strings.Split(strings.TrimSpace(line), ":")
		if len(p) != 3 {
			continue
		}
		start, err1 := strconv.ParseUint(p[1], 10, 64)
		count, err2 := strconv.ParseUint(p[2], 10, 64)
		if err1 == nil && err2 == nil && start < last && start+count > first {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// CheckFiles tells whether people together may use up what the host can have
// open. most bounds the instances; 0: as many as there are.
func CheckFiles(dataDir string, pids int64, most int) runtime.Finding {
	return checkFiles(fileMax(), pids, max(most, usersOf(dataDir), 1))
}

func checkFiles(fileMax uint64, pids int64, users int) runtime.Finding {
	f := runtime.Finding{Name: "open files", State: "ok", Detail: fmt.Sprintf("each process inside may open up to %d", filesOfEach(fileMax, pids, users))}
	if need := uint64(max(pids, 1)) * uint64(users) * minFiles; fileMax/2 < need {
		f.State = "warn"
		f.Detail = fmt.Sprintf("The host opens %d files at most (fs.file-max). That is too few for %d of each process inside (%d of each person; people: %d) beside its own.", fileMax, minFiles, pids, users)
		f.Remedy = fmt.Sprintf("sysctl -w fs.file-max=%d", need*2)
	}
	return f
}

// checkHost tells of settings of the host that make an escape worth more.
func checkHost() []runtime.Finding {
	weak := []struct{ path, bad, detail, remedy string }{
		{"/proc/sys/dev/tty/legacy_tiocsti", "1", "Programs may type into terminals (TIOCSTI); it is refused inside instances.", "sysctl -w dev.tty.legacy_tiocsti=0"},
		{"/proc/sys/kernel/io_uring_disabled", "0", "io_uring is on for the host; it is refused inside instances.", "sysctl -w kernel.io_uring_disabled=2"},
		{"/proc/sys/fs/protected_symlinks", "0", "Links in shared folders are followed.", "sysctl -w fs.protected_symlinks=1"},
		{"/proc/sys/fs/protected_hardlinks", "0", "Hard links to others' files are allowed.", "sysctl -w fs.protected_hardlinks=1"},
		{"/proc/sys/kernel/kptr_restrict", "0", "Kernel addresses are shown.", "sysctl -w kernel.kptr_restrict=1"},
		{"/proc/sys/kernel/unprivileged_bpf_disabled", "0", "Everybody may load BPF programs.", "sysctl -w kernel.unprivileged_bpf_disabled=1"},
		{"/proc/sys/kernel/dmesg_restrict", "0", "Everybody may read the kernel's log.", "sysctl -w kernel.dmesg_restrict=1"},
	}
	var out []runtime.Finding
	for _, w := range weak {
		if b, err := os.ReadFile(w.path); err == nil && strings.TrimSpace(string(b)) == w.bad {
			out = append(out, runtime.Finding{Name: filepath.Base(w.path), State: "warn", Detail: w.detail, Remedy: w.remedy})
		}
	}
	if _, err := os.Stat("/proc/sys/kernel/yama"); err != nil {
		out = append(out, runtime.Finding{Name: "yama", State: "warn", Detail: "The kernel has no Yama: processes of one user may trace each other.", Remedy: "Use a kernel with CONFIG_SECURITY_YAMA."})
	}
	if b, err := os.ReadFile("/sys/kernel/security/lsm"); err != nil || !(strings.Contains(string(b), "apparmor") || strings.Contains(string(b), "selinux")) {
		out = append(out, runtime.Finding{Name: "lsm", State: "warn", Detail: "Neither AppArmor nor SELinux is active: one wall less.", Remedy: "Use a kernel with an LSM."})
	}
	return out
}
