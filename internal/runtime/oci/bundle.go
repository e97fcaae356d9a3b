package oci

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// Ids inside, and where things stand inside. The person is uid 1000; the
// supervisor is 0, which outside is the first uid of the person's own range.
const (
	personID = 1000
	ttyGID   = 5
	// Supplementary groups that mark process trees, see protocol.Config.TreeGIDs.
	treeGIDFirst, treeGIDCount = 20000, 1000
	rangeSize                  = 1 << 16

	insideCarrel  = "/opt/carrel/carrel"
	insideClaude  = "/opt/carrel/claude"
	insideSockets = "/run/carrel"
	insideRun     = "/run/supervisor"
	insideJournal = "/var/lib/carrel/journal"
)

// capabilities of the supervisor: to become the person, and to end the
// person's processes. The person's own have none.
var capabilities = []string{"CAP_KILL", "CAP_SETGID", "CAP_SETUID"}

// bundleSpec is the container of one instance. Every namespace is its own, the
// network has loopback only, the root is read-only; what can be written is the
// person's volume and two tmpfs that count to their memory.
func (r *Runtime) bundleSpec(spec runtime.Spec, p paths, uidBase uint32) (*specs.Spec, error) {
	config, err := json.Marshal(r.supervisorConfig(spec))
	if err != nil {
		return nil, fmt.Errorf("encode supervisor's settings: %w", err)
	}
	each, err := rlimits(spec.Limits, filesOfEach(fileMax(), spec.Limits.PIDs, usersOf(r.opt.DataDir)))
	if err != nil {
		return nil, err
	}
	s := &specs.Spec{
		Version:  "1.0.2",
		Hostname: "carrel",
		Root:     &specs.Root{Path: p.rootfs, Readonly: true},
		Process: &specs.Process{
			Args: []string{insideCarrel, "supervisor"},
			Cwd:  "/",
			// The Go runtime inside would otherwise start a thread for every core of the host.
			Env:             []string{"PATH=/usr/bin:/bin", "GOMAXPROCS=2", "CARREL_SUPERVISOR=" + string(config)},
			NoNewPrivileges: true,
			Capabilities: &specs.LinuxCapabilities{
				Bounding: capabilities, Effective: capabilities, Permitted: capabilities,
			},
			Rlimits: each,
		},
		Mounts: r.mounts(spec, p),
		Linux: &specs.Linux{
			CgroupsPath: r.cgroupPath(spec.ID),
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.UserNamespace}, {Type: specs.PIDNamespace}, {Type: specs.NetworkNamespace}, {Type: specs.IPCNamespace},
				{Type: specs.UTSNamespace}, {Type: specs.MountNamespace}, {Type: specs.CgroupNamespace},
			},
			UIDMappings: []specs.LinuxIDMapping{
				{ContainerID: 0, HostID: uidBase, Size: 1},
				{ContainerID: personID, HostID: uidBase + personID, Size: 1},
			},
			GIDMappings: []specs.LinuxIDMapping{
				{ContainerID: 0, HostID: uidBase, Size: 1},
				{ContainerID: ttyGID, HostID: uidBase + ttyGID, Size: 1},
				{ContainerID: personID, HostID: uidBase + personID, Size: 1},
				{ContainerID: treeGIDFirst, HostID: uidBase + treeGIDFirst, Size: treeGIDCount},
			},
			Resources:         resources(spec.Limits),
			MaskedPaths:       maskedPaths,
			ReadonlyPaths:     readonlyPaths,
			RootfsPropagation: "rprivate",
		},
	}
	if s.Linux.Seccomp, err = seccompProfile(s); err != nil {
		return nil, err
	}
	return s, nil
}

func (r *Runtime) supervisorConfig(spec runtime.Spec) protocol.Config {
	c := protocol.Config{
		InstanceID: spec.ID, UserID: spec.UserID, Name: spec.Name, Language: spec.Language,
		Home: "/home/" + spec.Name, JournalDir: insideJournal, RunDir: insideRun,
		GatewaySocket: insideSockets + "/gateway.sock", EgressSocket: insideSockets + "/egress.sock",
		PersonUID: personID, PersonGID: personID,
		TreeGIDs:     [2]int{treeGIDFirst, treeGIDFirst + treeGIDCount - 1},
		LiveSessions: spec.LiveSessions,
		PIDs:         spec.Limits.PIDs,
	}
	if r.opt.Claude != "" {
		c.Claude = insideClaude
	}
	if r.opt.ToolEnv != nil {
		c.Env = r.opt.ToolEnv()
	}
	return c
}

// mounts in order. Binds of the host are read-only, nosuid and nodev.
func (r *Runtime) mounts(spec runtime.Spec, p paths) []specs.Mount {
	readonly := func(source, destination string) specs.Mount {
		return specs.Mount{Source: source, Destination: destination, Type: "bind",
			Options: []string{"rbind", "ro", "nosuid", "nodev", "rro", "rnosuid", "rnodev", "rprivate"}}
	}
	// An inode for every two pages: small files in plenty, but not without end.
	tmpfs := func(destination, mode string, bytes int64) specs.Mount {
		return specs.Mount{Source: "tmpfs", Destination: destination, Type: "tmpfs", Options: []string{"nosuid", "nodev", "mode=" + mode,
			"size=" + strconv.FormatInt(bytes, 10), "nr_inodes=" + strconv.FormatInt(max(bytes/8192, 256), 10)}}
	}
	m := []specs.Mount{
		{Source: "proc", Destination: "/proc", Type: "proc", Options: []string{"nosuid", "nodev", "noexec"}},
		{Source: "tmpfs", Destination: "/dev", Type: "tmpfs", Options: []string{"nosuid", "noexec", "strictatime", "mode=755", "size=65536", "nr_inodes=64"}},
		{Source: "devpts", Destination: "/dev/pts", Type: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5", "max=256"}},
		tmpfs("/dev/shm", "1777", min(64<<20, spec.Limits.MemoryBytes/4)),
		tmpfs("/tmp", "1777", spec.Limits.MemoryBytes/4),
		tmpfs(insideRun, "0700", 1<<20),
	}
	for _, b := range r.root.binds {
		m = append(m, readonly(b.source, b.destination))
	}
	m = append(m,
		readonly(p.etc, "/etc"),
		readonly(p.sockets, insideSockets),
		readonly(r.opt.Carrel, insideCarrel),
		specs.Mount{Source: p.home, Destination: "/home/" + spec.Name, Type: "bind", Options: []string{"bind", "nosuid", "nodev", "rprivate"}},
		specs.Mount{Source: p.journal, Destination: insideJournal, Type: "bind", Options: []string{"bind", "nosuid", "nodev", "noexec", "rprivate"}},
	)
	for _, b := range r.root.etc {
		m = append(m, readonly(b.source, b.destination))
	}
	if r.opt.Claude != "" {
		m = append(m, readonly(r.opt.Claude, insideClaude))
	}
	return m
}

// resources are the limits that cgroups hold. Memory has no swap beyond it.
func resources(l runtime.Limits) *specs.LinuxResources {
	const period = 100_000 // microseconds
	quota := int64(math.Max(l.CPU*period, 1000))
	return &specs.LinuxResources{
		Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}},
		CPU:     &specs.LinuxCPU{Quota: &quota, Period: ptr(uint64(period)), Shares: ptr(uint64(1024))},
		Memory:  &specs.LinuxMemory{Limit: &l.MemoryBytes, Swap: &l.MemoryBytes},
		Pids:    pidsLimit(l),
	}
}

func writeBundle(dir string, s *specs.Spec) error {
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode bundle: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), b, 0o600); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return nil
}

func ptr[T any](v T) *T { return &v }
