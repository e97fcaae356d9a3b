package oci

// maskedPaths are entries of /proc that show the host or its other people.
// Each was read on a running kernel; what only shows the instance's own
// namespaces stays.
var maskedPaths = []string{
	"/proc/acpi", "/proc/asound", "/proc/bootconfig", "/proc/buddyinfo", "/proc/bus", "/proc/cgroups", "/proc/cmdline", "/proc/config.gz",
	"/proc/consoles", "/proc/crypto", "/proc/devices", "/proc/diskstats", "/proc/dma", "/proc/driver",
	"/proc/dynamic_debug", "/proc/execdomains", "/proc/fb", "/proc/fs", "/proc/interrupts", "/proc/iomem",
	"/proc/ioports", "/proc/kallsyms", "/proc/kcore", "/proc/key-users", "/proc/keys", "/proc/kmsg",
	"/proc/kpagecgroup", "/proc/kpagecount", "/proc/kpageflags", "/proc/latency_stats", "/proc/locks",
	"/proc/mdstat", "/proc/misc", "/proc/modules", "/proc/mtrr", "/proc/pagetypeinfo", "/proc/partitions",
	"/proc/pressure", "/proc/sched_debug", "/proc/schedstat", "/proc/scsi", "/proc/slabinfo",
	"/proc/softirqs", "/proc/swaps", "/proc/sysrq-trigger", "/proc/sysvipc", "/proc/timer_list", "/proc/timer_stats",
	"/proc/tty", "/proc/vmallocinfo", "/proc/vmstat", "/proc/zoneinfo",
	"/sys",
}

// readonlyPaths may be read by programs that ask the kernel about itself.
var readonlyPaths = []string{"/proc/irq", "/proc/sys"}
